//! Heartbeats that go together: all groups beat at the same moment, and what they have to say to one node is one message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cairn_rpc::proto::raft;
use openraft::error::{NetworkError, RPCError};
use tokio::sync::oneshot;

use crate::consensus::TypeConfig;

type RpcError = RPCError<TypeConfig>;

/// A node, and where a group has it.
type Place = (u64, String);

/// Heartbeats that wait for the moment at which they are sent, by whom they are for.
#[derive(Default)]
pub(super) struct Beats {
    waiting: Mutex<HashMap<Place, Vec<Beat>>>,
}

struct Beat {
    request: raft::AppendEntriesRequest,
    answer: oneshot::Sender<Result<raft::HeartbeatAnswer, RpcError>>,
}

/// The first beat's duty to send what waits. Dropped, it lets go of all of it.
struct Turn<'a> {
    beats: &'a Beats,
    place: Option<Place>,
}

impl Beats {
    /// Sends a beat by `call`, with all others to the same place whose tasks are ready to run now. Gives the answer to it.
    /// One `call` is made for all of them; when the task that makes it is dropped, the others fail.
    ///
    /// # Errors
    /// Those of `call`, or the group's refusal.
    pub(super) async fn send(
        &self,
        place: Place,
        request: raft::AppendEntriesRequest,
        call: impl AsyncFnOnce(raft::HeartbeatRequest) -> Result<raft::HeartbeatResponse, RpcError>,
    ) -> Result<raft::AppendEntriesResponse, RpcError> {
        let (answer, answered) = oneshot::channel();
        if let Some(turn) = self.add(place, Beat { request, answer }) {
            tokio::task::yield_now().await;
            let (beats, senders): (Vec<_>, Vec<_>) = turn
                .take()
                .into_iter()
                .map(|beat| (beat.request, beat.answer))
                .unzip();
            hand_out(senders, call(raft::HeartbeatRequest { beats }).await);
        }
        let answer = answered
            .await
            .map_err(|_| failed("the heartbeat that this one went with was given up"))??;
        match answer.answer {
            Some(raft::heartbeat_answer::Answer::Response(response)) => Ok(response),
            Some(raft::heartbeat_answer::Answer::Refusal(reason)) => Err(failed(&reason)),
            None => Err(failed("a heartbeat was answered with nothing")),
        }
    }

    /// Adds a beat to those that wait. Who finds none has the duty to send them.
    fn add(&self, place: Place, beat: Beat) -> Option<Turn<'_>> {
        match self.waiting().entry(place) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(beat);
                None
            }
            Entry::Vacant(none) => {
                let place = Some(none.key().clone());
                none.insert(vec![beat]);
                Some(Turn { beats: self, place })
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Place, Vec<Beat>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// What waits; whoever comes from now on begins anew.
    fn take(mut self) -> Vec<Beat> {
        self.place
            .take()
            .map_or_else(Vec::new, |place| self.end(&place))
    }

    fn end(&self, place: &Place) -> Vec<Beat> {
        self.beats.waiting().remove(place).unwrap_or_default()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            drop(self.end(&place));
        }
    }
}

/// Gives each sender its answer, in order; all the same error where there are none.
fn hand_out(
    senders: Vec<oneshot::Sender<Result<raft::HeartbeatAnswer, RpcError>>>,
    response: Result<raft::HeartbeatResponse, RpcError>,
) {
    let answers = response.and_then(|response| {
        if response.answers.len() == senders.len() {
            Ok(response.answers)
        } else {
            Err(failed("heartbeats were answered in another number"))
        }
    });
    match answers {
        Ok(answers) => {
            for (sender, answer) in senders.into_iter().zip(answers) {
                // A group that does not wait any more stepped down.
                let _ = sender.send(Ok(answer));
            }
        }
        Err(error) => {
            for sender in senders {
                let _ = sender.send(Err(error.clone()));
            }
        }
    }
}

fn failed(reason: &str) -> RpcError {
    RPCError::Network(NetworkError::from_string(reason))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn place(node: u64) -> Place {
        (node, "host:1".to_owned())
    }

    fn beat(group: u32) -> raft::AppendEntriesRequest {
        raft::AppendEntriesRequest {
            group,
            ..Default::default()
        }
    }

    /// Says by whom each beat was for: the group, as the term of a vote.
    fn echo(request: &raft::HeartbeatRequest) -> raft::HeartbeatResponse {
        let answers = request.beats.iter().map(|beat| {
            let vote = raft::Vote {
                term: beat.group.into(),
                ..Default::default()
            };
            let response = raft::AppendEntriesResponse {
                vote: Some(vote),
                ..Default::default()
            };
            raft::HeartbeatAnswer {
                answer: Some(raft::heartbeat_answer::Answer::Response(response)),
            }
        });
        raft::HeartbeatResponse {
            answers: answers.collect(),
        }
    }

    #[tokio::test]
    async fn beats_to_one_place_at_one_moment_go_in_one_call_and_each_has_its_own_answer() {
        let (beats, calls) = (Beats::default(), Cell::new(Vec::new()));
        let send = async |node: u64, group: u32| {
            let call = async |request: raft::HeartbeatRequest| {
                let mut made = calls.take();
                made.push((node, request.beats.len()));
                calls.set(made);
                tokio::task::yield_now().await;
                Ok(echo(&request))
            };
            beats.send(place(node), beat(group), call).await
        };
        let terms = futures::future::join_all([send(1, 10), send(1, 11), send(2, 20), send(1, 12)]);
        let terms = terms
            .await
            .into_iter()
            .map(|answer| answer.unwrap().vote.unwrap().term);
        assert_eq!(terms.collect::<Vec<_>>(), [10, 11, 20, 12]);
        assert_eq!(calls.take(), [(1, 3), (2, 1)]);
        send(1, 13).await.unwrap();
        assert_eq!(calls.take(), [(1, 1)]);
    }

    #[tokio::test]
    async fn beats_fail_with_the_call_and_when_it_is_given_up_and_the_next_goes_again() {
        let beats = Beats::default();
        let refused = async |_| Err(failed("no way"));
        let both = futures::future::join(
            beats.send(place(1), beat(1), refused),
            beats.send(place(1), beat(2), refused),
        );
        let (one, other) = both.await;
        assert!(one.unwrap_err().to_string().contains("no way"));
        assert!(other.unwrap_err().to_string().contains("no way"));

        let second = {
            let first = beats.send(place(1), beat(1), async |request| Ok(echo(&request)));
            let mut first = Box::pin(first);
            assert!(futures::poll!(&mut first).is_pending());
            let second = beats.send(place(1), beat(2), async |request| Ok(echo(&request)));
            let mut second = Box::pin(second);
            assert!(futures::poll!(&mut second).is_pending());
            second
        };
        let given_up = second.await.unwrap_err();
        assert!(given_up.to_string().contains("given up"), "{given_up}");
        let third = beats.send(place(1), beat(3), async |request| Ok(echo(&request)));
        assert_eq!(third.await.unwrap().vote.unwrap().term, 3);
    }

    #[tokio::test]
    async fn an_answer_of_another_number_or_a_refusal_is_an_error() {
        let beats = Beats::default();
        let none = async |_| Ok(raft::HeartbeatResponse::default());
        let error = beats.send(place(1), beat(1), none).await.unwrap_err();
        assert!(error.to_string().contains("number"), "{error}");
        let refusal = async |_| {
            let refusal = raft::heartbeat_answer::Answer::Refusal("no such group".to_owned());
            let answers = vec![raft::HeartbeatAnswer {
                answer: Some(refusal),
            }];
            Ok(raft::HeartbeatResponse { answers })
        };
        let error = beats.send(place(1), beat(1), refusal).await.unwrap_err();
        assert!(error.to_string().contains("no such group"), "{error}");
    }
}
