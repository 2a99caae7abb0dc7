//! What is loaded: an endpoint that was named, or a server started for the purpose.

use std::net::SocketAddr;
use std::time::Duration;

use cairn_cluster_tests::description::{Description, DescriptionError};
use cairn_dev_tests::client::S3;
use cairn_dev_tests::metrics::Scrape;
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::{Options, Server, StartError};
use cairn_dev_tests::sign::Signer;
use cairn_dev_tests::wire;

use crate::args::TargetArgs;

/// A 64 MiB upload on a slow disk takes a while.
const DEADLINE: Duration = Duration::from_mins(5);
const SCRAPE_PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint with a client for it. Dropping it stops a server that was started for it.
#[derive(Debug)]
pub(crate) struct Target {
    client: S3,
    // Where metrics are; of a cluster, those of every process.
    consoles: Vec<SocketAddr>,
    // Dropped in this order: the server, then its directories.
    _server: Option<Server>,
    _scratch: Option<Scratch>,
}

/// Why there is nothing to load.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("--endpoint {0:?}: only http:// is spoken here")]
    Scheme(String),
    #[error("no {0}: give it by option or environment")]
    Credentials(&'static str),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Cluster(#[from] DescriptionError),
    #[error("--cluster: there is no such file")]
    NoCluster,
}

impl Target {
    /// Connects to the endpoint, or starts a server and waits until it is ready.
    pub(crate) fn new(args: &TargetArgs) -> Result<Self, TargetError> {
        match (&args.endpoint, &args.cluster) {
            (Some(url), _) => Self::given(args, url),
            (None, Some(file)) => Ok(Self::cluster(args, &Description::read(file)?)),
            (None, None) => Self::own(args),
        }
    }

    /// All gateways of a cluster, in turn.
    pub(crate) fn cluster(args: &TargetArgs, description: &Description) -> Self {
        let processes = description.processes.iter();
        Self {
            client: prepared(description.spread_client(), args),
            consoles: processes.map(|process| process.admin).collect(),
            _server: None,
            _scratch: None,
        }
    }

    fn given(args: &TargetArgs, url: &str) -> Result<Self, TargetError> {
        let host = url
            .strip_prefix("http://")
            .ok_or_else(|| TargetError::Scheme(url.to_owned()))?;
        let credential = |given: &Option<String>, name: &'static str| {
            let from_environment = || std::env::var(name).ok();
            given.clone().or_else(from_environment).ok_or(name)
        };
        let signer = Signer {
            access_key: credential(&args.access_key, "AWS_ACCESS_KEY_ID")
                .map_err(TargetError::Credentials)?,
            secret_key: credential(&args.secret_key, "AWS_SECRET_ACCESS_KEY")
                .map_err(TargetError::Credentials)?,
            region: args.region.clone(),
        };
        let host = host.trim_end_matches('/').to_owned();
        Ok(Self {
            client: prepared(S3::new(host, signer), args),
            consoles: args.console.into_iter().collect(),
            _server: None,
            _scratch: None,
        })
    }

    fn own(args: &TargetArgs) -> Result<Self, TargetError> {
        let (scratch, options) = options(args);
        let server = Server::try_start(&options)?;
        Ok(Self {
            client: prepared(server.client(), args),
            consoles: vec![options.console],
            _server: Some(server),
            _scratch: Some(scratch),
        })
    }

    /// A client, which may be cloned.
    pub(crate) fn client(&self) -> &S3 {
        &self.client
    }

    /// The server's metrics now, those of a cluster added up; `None` where none are known or given.
    pub(crate) fn scrape(&self) -> Option<Scrape> {
        let scrapes = self.consoles.iter().filter_map(|console| {
            let answer = wire::fetch(*console, "/metrics", SCRAPE_PATIENCE).ok()?;
            (answer.status == 200).then(|| Scrape::parse(&answer.text()))
        });
        let scrapes: Vec<Scrape> = scrapes.collect();
        (!scrapes.is_empty()).then(|| Scrape::merged(scrapes))
    }
}

/// Options of a server to start, and the place for its directories.
pub(crate) fn options(args: &TargetArgs) -> (Scratch, Options) {
    let scratch = Scratch::new("bench");
    let disks = match &args.data {
        Some(data) => (1..=args.disks)
            .map(|number| data.join(format!("disk{number}")))
            .collect(),
        None => scratch.disks(usize::from(args.disks)),
    };
    let mut options = Options::new(&scratch, disks);
    options.environment.clone_from(&args.environment);
    (scratch, options)
}

/// The client that a measurement uses.
pub(crate) fn prepared(client: S3, args: &TargetArgs) -> S3 {
    let client = client.with_deadline(DEADLINE);
    if args.sign_payload {
        client
    } else {
        client.with_unsigned_bodies()
    }
}
