//! The AWS SDK as customers configure it: with its own defaults for retries.

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};

use crate::description::{Description, Process};

/// A client of one gateway with the SDK's default retries. It belongs to the runtime of its first request.
pub fn client(description: &Description, gateway: &Process) -> Client {
    let credentials = Credentials::new(
        &description.access_key,
        &description.secret_key,
        None,
        None,
        "cluster.json",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{}", gateway.address))
        .region(Region::new(description.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(true)
        .retry_config(RetryConfig::standard())
        .build();
    Client::from_conf(config)
}
