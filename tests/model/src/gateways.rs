//! Connections to all gateways, several to each for calls at once.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::Signer;
use cairn_dev_tests::wire::{Answer, Wire};

const PATIENCE: Duration = Duration::from_mins(1);
/// A connection that was idle for longer is not used again: the server may be closing it just now.
const IDLE: Duration = Duration::from_secs(2);

/// Connections to gateways: a row of lanes, each with one to every gateway.
#[derive(Debug)]
pub(crate) struct Gateways {
    hosts: Vec<SocketAddr>,
    signer: Signer,
    lanes: Vec<Lane>,
}

/// The connections of one thread.
#[derive(Debug, Default)]
struct Lane {
    open: Vec<Option<(Wire, Instant)>>,
}

impl Gateways {
    pub(crate) fn new(hosts: Vec<SocketAddr>, signer: Signer) -> Self {
        Self {
            hosts,
            signer,
            lanes: Vec::new(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.hosts.len()
    }

    /// Sends each request to the gateway of its number, all at once, and gives their answers in order.
    pub(crate) fn exchange(&mut self, requests: Vec<(usize, Request)>) -> Vec<io::Result<Answer>> {
        while self.lanes.len() < requests.len() {
            self.lanes.push(Lane::default());
        }
        let (hosts, signer) = (&self.hosts, &self.signer);
        let mut jobs: Vec<_> = self.lanes.iter_mut().zip(requests).collect();
        if jobs.len() == 1 {
            let job = jobs.pop();
            let job =
                job.map(|(lane, (gateway, request))| lane.send(hosts, signer, gateway, request));
            return job.into_iter().collect();
        }
        thread::scope(|scope| {
            let running: Vec<_> = jobs
                .into_iter()
                .map(|(lane, (gateway, request))| {
                    scope.spawn(move || lane.send(hosts, signer, gateway, request))
                })
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                let answer = thread.join();
                answer.unwrap_or_else(|_| Err(io::Error::other("the client panicked")))
            };
            running.into_iter().map(join).collect()
        })
    }
}

impl Lane {
    fn send(
        &mut self,
        hosts: &[SocketAddr],
        signer: &Signer,
        gateway: usize,
        request: Request,
    ) -> io::Result<Answer> {
        let absent = || io::Error::other("there is no such gateway");
        let host = *hosts.get(gateway).ok_or_else(absent)?;
        let request = request.signed(signer, &host.to_string());
        self.open.resize_with(hosts.len(), || None);
        let slot = self.open.get_mut(gateway).ok_or_else(absent)?;
        let kept = slot.take().filter(|(_, used)| used.elapsed() < IDLE);
        let mut wire = match kept {
            Some((wire, _)) => wire,
            None => Wire::try_connect(host, PATIENCE)?,
        };
        wire.try_send(&request.head())?;
        // A server may answer and close before it has taken the body: the answer counts.
        let sent = wire.try_send(&request.body);
        let answer = wire.read_answer(request.method)?;
        let closes = answer.header("connection") == Some("close");
        if sent.is_ok() && !closes {
            *slot = Some((wire, Instant::now()));
        }
        Ok(answer)
    }
}
