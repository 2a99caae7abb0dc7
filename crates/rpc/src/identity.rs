//! Who calls whom: every call says which cluster, node and role it is from and, where the caller knows it, which node it is
//! meant for. What does not fit is refused before it is looked at.

use std::sync::{Arc, OnceLock};

use cairn_types::id::{ClusterId, NodeId};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::status::{misdirected, refused};

const CLUSTER: &str = "cairn-cluster";
const NODE: &str = "cairn-node";
const ROLE: &str = "cairn-role";
const MEANT_FOR: &str = "cairn-meant-for";

/// What a process does in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It answers S3.
    Gateway,
    /// It keeps metadata, and does what happens later.
    Meta,
    /// It keeps shards.
    Storage,
}

/// Who may call the service of Raft.
pub const RAFT_CALLERS: &[Role] = &[Role::Meta];

/// Who may call the service of disks.
pub const STORAGE_CALLERS: &[Role] = &[Role::Gateway, Role::Meta];

/// Who may call the service of metadata.
pub const META_CALLERS: &[Role] = &[Role::Gateway, Role::Meta, Role::Storage];

/// The cluster of a process: once it is of one, it stays.
pub type ClusterCell = Arc<OnceLock<ClusterId>>;

impl Role {
    /// Its name, as in `cairn gateway`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Meta => "meta",
            Self::Storage => "storage",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        META_CALLERS
            .iter()
            .copied()
            .find(|role| role.name() == name)
    }
}

/// Puts on every call who makes it.
#[derive(Clone)]
pub struct Introduce {
    cluster: MetadataValue<Ascii>,
    node: MetadataValue<Ascii>,
    role: MetadataValue<Ascii>,
    meant_for: Option<MetadataValue<Ascii>>,
}

impl Introduce {
    /// For calls that `node` makes in this role within `cluster`, to whoever answers.
    pub fn new(cluster: ClusterId, node: NodeId, role: Role) -> Self {
        let text = |text: String| {
            MetadataValue::try_from(text).expect("digits and letters are header text")
        };
        Self {
            cluster: text(cluster.to_string()),
            node: text(node.get().to_string()),
            role: MetadataValue::from_static(role.name()),
            meant_for: None,
        }
    }

    /// The same caller, when it means to reach `node` and nobody else.
    #[must_use]
    pub fn to(&self, node: NodeId) -> Self {
        Self {
            meant_for: Some(node.get().into()),
            ..self.clone()
        }
    }
}

impl Interceptor for Introduce {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(CLUSTER, self.cluster.clone());
        metadata.insert(NODE, self.node.clone());
        metadata.insert(ROLE, self.role.clone());
        if let Some(node) = &self.meant_for {
            metadata.insert(MEANT_FOR, node.clone());
        }
        Ok(request)
    }
}

impl std::fmt::Debug for Introduce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} of {:?}", self.role, self.node, self.cluster)
    }
}

/// Refuses calls of another cluster, calls that are meant for another node, and calls of roles that have no business here.
///
/// All these are `FAILED_PRECONDITION` and marked by `status::misdirected`: the caller has the wrong address, or this node
/// has, and the right one may be elsewhere. A call that does not say who makes it is `UNAUTHENTICATED`, wherever it goes.
#[derive(Debug, Clone)]
pub struct Check {
    cluster: ClusterCell,
    node: NodeId,
    callers: &'static [Role],
}

impl Check {
    /// For a service of `node` in `cluster` that `callers` may call.
    pub fn new(cluster: ClusterId, node: NodeId, callers: &'static [Role]) -> Self {
        Self::later(Arc::new(OnceLock::from(cluster)), node, callers)
    }

    /// The same where the cluster may not be known yet: as long as it is not, nobody is let in.
    pub fn later(cluster: ClusterCell, node: NodeId, callers: &'static [Role]) -> Self {
        Self {
            cluster,
            node,
            callers,
        }
    }

    /// Looks at what a call says of itself.
    ///
    /// # Errors
    /// When it is not to be answered here; certain to have had no effect.
    pub fn check(&self, metadata: &tonic::metadata::MetadataMap) -> Result<(), Status> {
        let given = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        let Some(cluster) = given(CLUSTER) else {
            return Err(anonymous("the call does not say which cluster it is from"));
        };
        let Some(role) = given(ROLE).and_then(Role::parse) else {
            return Err(anonymous("the call does not say which role it is from"));
        };
        let Some(own) = self.cluster.get() else {
            return Err(misplaced("this node is of no cluster yet"));
        };
        if cluster != own.to_string() {
            return Err(misplaced("the call is from another cluster"));
        }
        if let Some(meant_for) = given(MEANT_FOR)
            && meant_for != self.node.get().to_string()
        {
            let own = self.node.get();
            return Err(misplaced(&format!(
                "the call is meant for node {meant_for}, this is node {own}"
            )));
        }
        if !self.callers.contains(&role) {
            let role = role.name();
            return Err(misplaced(&format!("a {role} has no business here")));
        }
        Ok(())
    }
}

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.check(request.metadata())?;
        Ok(request)
    }
}

fn anonymous(reason: &str) -> Status {
    refused(Status::unauthenticated(reason))
}

fn misplaced(reason: &str) -> Status {
    misdirected(Status::failed_precondition(reason))
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::status::is_misdirected;

    const OURS: ClusterId = ClusterId::new(1);
    const OTHER: ClusterId = ClusterId::new(2);
    const HERE: NodeId = NodeId::new(7);
    const ELSEWHERE: NodeId = NodeId::new(8);

    fn call(mut by: Introduce, mut check: Check) -> Result<(), Status> {
        let introduced = by.call(Request::new(())).unwrap();
        check.call(introduced).map(drop)
    }

    #[test]
    fn only_calls_that_belong_here_pass() {
        let gateway = Introduce::new(OURS, ELSEWHERE, Role::Gateway);
        let storage = Check::new(OURS, HERE, STORAGE_CALLERS);
        let raft = Check::new(OURS, HERE, RAFT_CALLERS);
        assert!(call(gateway.clone(), storage.clone()).is_ok());
        assert!(call(gateway.to(HERE), storage.clone()).is_ok());
        assert!(call(Introduce::new(OURS, ELSEWHERE, Role::Meta), raft.clone()).is_ok());

        let stranger = Introduce::new(OTHER, ELSEWHERE, Role::Gateway);
        let disk = Introduce::new(OURS, ELSEWHERE, Role::Storage);
        let cases = [
            (stranger, storage.clone(), "another cluster"),
            (
                gateway.to(ELSEWHERE),
                storage.clone(),
                "meant for node 8, this is node 7",
            ),
            (gateway, raft, "a gateway has no business"),
            (disk, storage, "a storage has no business"),
        ];
        for (by, check, reason) in cases {
            let status = call(by, check).unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition);
            assert!(status.message().contains(reason), "{}", status.message());
            assert!(is_misdirected(&status));
            assert_eq!(
                crate::status::outcome(&status),
                cairn_types::outcome::Outcome::Refused
            );
        }
    }

    #[test]
    fn who_does_not_say_who_it_is_is_refused_everywhere() {
        let mut check = Check::new(OURS, HERE, META_CALLERS);
        let status = check.call(Request::new(())).unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(!is_misdirected(&status));
    }

    #[test]
    fn nobody_is_let_in_before_the_cluster_is_known() {
        let cell = ClusterCell::default();
        let check = Check::later(Arc::clone(&cell), HERE, META_CALLERS);
        let gateway = Introduce::new(OURS, ELSEWHERE, Role::Gateway);
        let status = call(gateway.clone(), check.clone()).unwrap_err();
        assert!(is_misdirected(&status));
        cell.set(OURS).unwrap();
        assert!(call(gateway, check).is_ok());
    }
}
