//! Who calls: every call carries the cluster's id, and a call from another cluster is refused before it is looked at.

use cairn_types::id::ClusterId;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::status::refused;

const CLUSTER: &str = "cairn-cluster";

/// Puts the cluster's id on every call.
#[derive(Clone)]
pub struct Introduce {
    cluster: MetadataValue<Ascii>,
}

impl Introduce {
    /// For calls within `cluster`.
    pub fn new(cluster: ClusterId) -> Self {
        Self {
            cluster: MetadataValue::try_from(cluster.to_string())
                .expect("hexadecimal digits are header text"),
        }
    }
}

impl Interceptor for Introduce {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(CLUSTER, self.cluster.clone());
        Ok(request)
    }
}

/// Refuses calls that do not carry the cluster's id.
#[derive(Clone)]
pub struct Check {
    cluster: String,
}

impl Check {
    /// Lets calls within `cluster` pass.
    pub fn new(cluster: ClusterId) -> Self {
        Self {
            cluster: cluster.to_string(),
        }
    }
}

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let given = request
            .metadata()
            .get(CLUSTER)
            .and_then(|value| value.to_str().ok());
        match given {
            Some(cluster) if cluster == self.cluster => Ok(request),
            Some(_) => Err(refused(Status::failed_precondition(
                "the call is from another cluster",
            ))),
            None => Err(refused(Status::unauthenticated(
                "the call does not say which cluster it is from",
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_of_the_same_cluster_pass() {
        let (ours, other) = (ClusterId::new(1), ClusterId::new(2));
        let mut check = Check::new(ours);
        let introduced = Introduce::new(ours).call(Request::new(())).unwrap();
        assert!(check.call(introduced).is_ok());
        let stranger = Introduce::new(other).call(Request::new(())).unwrap();
        assert_eq!(
            check.call(stranger).unwrap_err().code(),
            tonic::Code::FailedPrecondition
        );
        assert_eq!(
            check.call(Request::new(())).unwrap_err().code(),
            tonic::Code::Unauthenticated
        );
    }
}
