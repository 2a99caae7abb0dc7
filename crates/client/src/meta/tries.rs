//! Whom to ask next, and when.

use std::sync::Arc;
use std::time::Duration;

use cairn_rpc::status;
use cairn_runtime::random;
use cairn_types::id::{GroupId, NodeId};
use tonic::{Code, Status};

use super::{Attempt, Node, Shared};

/// The time that the first unanswered try gets; each later one gets twice as much, so that a paused leader does not hold a
/// request up for long, and a slow one still gets to answer.
const FIRST_TIMEOUT: Duration = Duration::from_millis(1500);

/// The pause after every node was asked once; it doubles up to `LONGEST_PAUSE`. An election takes some 600 ms.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The tries of one request.
pub(super) struct Tries<'a> {
    shared: &'a Shared,
    /// As they were when the request began, or after its last pause.
    nodes: Arc<Vec<Node>>,
    group: GroupId,
    /// On the monotonic clock.
    deadline: Duration,
    timeout: Duration,
    pause: Duration,
    /// Tries since the last pause.
    asked: usize,
    next_node: usize,
    given_up: bool,
    last: Option<Status>,
}

impl<'a> Tries<'a> {
    pub(super) fn new(shared: &'a Shared, group: GroupId) -> Self {
        let nodes = shared.nodes.load_full();
        let hinted = shared
            .leader(group)
            .and_then(|leader| position(&nodes, leader));
        Self {
            shared,
            group,
            deadline: shared.clock.monotonic() + shared.patience,
            timeout: FIRST_TIMEOUT,
            pause: FIRST_PAUSE,
            asked: 0,
            next_node: hinted.unwrap_or_else(|| random::below(nodes.len())),
            nodes,
            given_up: false,
            last: None,
        }
    }

    /// The next try, after a pause when all nodes were asked; none when time is up or no try can help.
    pub(super) async fn next(&mut self) -> Option<Attempt> {
        if self.given_up {
            return None;
        }
        if self.asked > 0 && self.asked.is_multiple_of(self.nodes.len()) {
            let pause = self.pause / 2 + self.pause.mul_f64(fraction()) / 2;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            tokio::time::sleep(pause.min(self.remaining())).await;
            self.look_again();
        }
        let remaining = self.remaining();
        if remaining.is_zero() {
            return None;
        }
        self.asked += 1;
        Some(Attempt {
            stub: self.asked_node().stub.clone(),
            timeout: self.timeout.min(remaining),
        })
    }

    /// Goes on with the nodes that there are by now: those that were asked in vain may have moved.
    fn look_again(&mut self) {
        let nodes = self.shared.nodes.load_full();
        if !Arc::ptr_eq(&nodes, &self.nodes) {
            self.next_node = position(&nodes, self.asked_node().id).unwrap_or(0);
            self.asked = 0;
            self.nodes = nodes;
        }
    }

    /// The node of the last try answered.
    pub(super) fn answered(&self) {
        self.shared.led_by(self.group, self.asked_node().id);
    }

    /// Takes in how the last try failed.
    pub(super) fn failed(&mut self, status: Status) {
        let leader = status::leader(&status);
        let asked = self.asked_node().id;
        self.shared.not_led_by(self.group, asked, leader);
        self.next_node = leader
            .and_then(|leader| position(&self.nodes, leader))
            .filter(|at| *at != self.next_node)
            .unwrap_or((self.next_node + 1) % self.nodes.len());
        if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) {
            self.timeout *= 2;
        }
        // What came to the wrong place says nothing of the right one.
        self.given_up = is_final(status.code()) && !status::is_misdirected(&status);
        self.last = Some(status);
    }

    /// What the last try said.
    pub(super) fn reason(&self) -> String {
        self.last.as_ref().map_or_else(
            || "there was no time left to ask".to_owned(),
            |status| format!("{}: {}", status.code(), status.message()),
        )
    }

    /// The node of the try that was given out last, or is given out next.
    fn asked_node(&self) -> &Node {
        self.nodes
            .get(self.next_node)
            .expect("positions are below the number of nodes")
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_sub(self.shared.clock.monotonic())
    }
}

fn position(nodes: &[Node], id: NodeId) -> Option<usize> {
    nodes.iter().position(|node| node.id == id)
}

/// Whether the same request would get the same answer everywhere and always.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated
    )
}

/// A random number in 0 … 1.
fn fraction() -> f64 {
    f64::from(random::u32()) / f64::from(u32::MAX)
}
