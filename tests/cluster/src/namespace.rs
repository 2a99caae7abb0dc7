//! A network of its own for one cluster, in which single processes are cut off from the others.
//!
//! All processes bind 127.0.0.1, so addresses do not tell them apart. Here each runs under a group id of its own: packets that
//! it sends are known by that, and packets that answer it by a mark which its connections got from their first packet on. A
//! process that is cut off still hears its clients and its operator.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::description::{Description, Role};

/// Group ids of this machine's own users end far below.
const FIRST_GROUP: u32 = 420_000;
const NAMES: [(&str, u32); 3] = [("meta", 0), ("storage", 100), ("gateway", 200)];

/// A network namespace with a loopback interface. It is gone with the last process in it.
#[derive(Debug)]
pub struct Namespace {
    // Waits for the end of its input and keeps the namespace alive until then.
    holder: Child,
}

/// A process that is cut off from the rest of its cluster until this is dropped.
#[derive(Debug)]
pub struct Cut {
    rules: Vec<Vec<String>>,
}

impl Namespace {
    /// Makes a namespace; the reason in words where this machine does not allow it.
    ///
    /// # Errors
    /// Without root, `unshare`, `ip`, or an `iptables` that matches owners and marks.
    pub fn create() -> Result<Self, String> {
        // The rules are tried out here, so that a kernel without the matches is found before a test begins.
        let script = "ip link set lo up && iptables -t mangle -A OUTPUT -m owner --gid-owner 420999 -j CONNMARK --set-mark 420999 \
                      && iptables -A OUTPUT -p tcp -m connmark --mark 420999 -m multiport --sports 1 -j ACCEPT \
                      && echo ready && cat >/dev/null";
        let mut holder = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let said = holder.stdout.take().expect("it is piped");
        let mut line = String::new();
        let ready = BufReader::new(said).read_line(&mut line);
        if ready.is_ok() && line.trim() == "ready" {
            return Ok(Self { holder });
        }
        drop(holder.stdin.take());
        let output = holder.wait_with_output();
        let said = output.map_err(|error| error.to_string())?.stderr;
        Err(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// Runs a test in the namespace: everything that it connects to or starts is in there as well.
    ///
    /// # Panics
    /// When the test does, or the namespace cannot be entered.
    pub fn run<Found: Send>(&self, test: impl FnOnce() -> Found + Send) -> Found {
        let link = format!("/proc/{}/ns/net", self.holder.id());
        let namespace = File::open(link).expect("open the namespace of a process that lives");
        thread::scope(|scope| {
            // A thread of its own, because a thread does not come back.
            let inside = scope.spawn(|| {
                let entered =
                    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network));
                entered.expect("enter the namespace");
                test()
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        // It fails only when it has ended already.
        let _ = self.holder.wait();
    }
}

/// Writes the command that `CLUSTER_EXEC` names: it runs each process under the group id of its name.
///
/// # Panics
/// When it cannot be written.
pub fn write_hook(directory: &Path) -> PathBuf {
    let mut script = String::from("#!/bin/sh\nname=$1\nshift\ncase $name in\n");
    for (role, offset) in NAMES {
        let first = FIRST_GROUP + offset;
        writeln!(script, "{role}-*) first={first} ;;").expect("writing to a string does not fail");
    }
    script
        .push_str("esac\nexec setpriv --regid $((first + ${name##*-})) --clear-groups -- \"$@\"\n");
    let path = directory.join("as-group");
    fs::write(&path, script).expect("write the hook");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, executable).expect("make the hook executable");
    path
}

/// Marks the connections of all processes from now on. Call it inside the namespace, before the cluster is started.
///
/// # Panics
/// When a rule is refused.
pub fn mark_connections(processes_of_a_role: u32) {
    for (_, offset) in NAMES {
        for number in 1..=processes_of_a_role {
            let group = FIRST_GROUP + offset + number;
            let rule = format!(
                "-t mangle -A OUTPUT -p tcp --syn -m owner --gid-owner {group} -j CONNMARK --set-mark {group}"
            );
            iptables(&words(&rule));
        }
    }
}

/// Cuts a process off from all others, in both directions. Call it inside the namespace.
///
/// # Panics
/// When a rule is refused, or no process has that name.
pub fn cut(description: &Description, name: &str) -> Cut {
    let process = description.process(name);
    let group = group_of(name);
    let others: Vec<String> = description
        .processes
        .iter()
        .filter(|other| other.role != Role::Gateway && other.name != name)
        .map(|other| other.address.port().to_string())
        .collect();
    let mut rules = Vec::new();
    // `multiport` takes fifteen ports at the most.
    for ports in others.chunks(15) {
        let ports = ports.join(",");
        // What it sends to the others, and what they answer.
        rules.push(format!(
            "OUTPUT -p tcp -m owner --gid-owner {group} -m multiport --dports {ports} -j DROP"
        ));
        rules.push(format!(
            "OUTPUT -p tcp -m connmark --mark {group} -m multiport --sports {ports} -j DROP"
        ));
    }
    if process.role != Role::Gateway {
        let port = process.address.port();
        // What the others send to it, and what it answers.
        rules.push(format!("OUTPUT -p tcp --dport {port} -j DROP"));
        rules.push(format!("OUTPUT -p tcp --sport {port} -j DROP"));
    }
    let rules: Vec<Vec<String>> = rules.iter().map(|rule| words(rule)).collect();
    for rule in &rules {
        iptables(&[words("-I"), rule.clone()].concat());
    }
    Cut { rules }
}

impl Cut {
    /// Packets that were dropped so far.
    ///
    /// # Panics
    /// When `iptables` does not say.
    pub fn dropped(&self) -> u64 {
        let listed = iptables(&words("-nvxL OUTPUT"));
        // Only cuts drop, and there is one at a time.
        let drops = listed.lines().filter(|line| line.contains(" DROP "));
        drops
            .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        for rule in &self.rules {
            iptables(&[words("-D"), rule.clone()].concat());
        }
    }
}

fn group_of(name: &str) -> u32 {
    let (role, number) = name.rsplit_once('-').expect("names end with a number");
    let offset = NAMES.iter().find(|(known, _)| *known == role);
    let (_, offset) = offset.expect("a role has a name");
    let number: u32 = number.parse().expect("names end with a number");
    FIRST_GROUP + offset + number
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn iptables(arguments: &[String]) -> String {
    let output = Command::new("iptables").args(arguments).output();
    let output = output.expect("run iptables");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "iptables {arguments:?}: {complaint}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Whether a process of this name reaches a port, within a second.
    fn reaches(hook: &Path, name: &str, port: u16) -> bool {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        let mut command = Command::new("timeout");
        let command = command.arg("1").arg(hook).arg(name);
        let status = command.args(["bash", "-c", &script]).status();
        status.expect("start bash").success()
    }

    #[test]
    fn a_process_that_is_cut_off_reaches_nobody_and_nobody_reaches_it_until_it_is_back() {
        let namespace = match Namespace::create() {
            Ok(namespace) => namespace,
            Err(reason) => {
                println!("skipped, this machine does not allow it: {reason}");
                return;
            }
        };
        let directory = tempfile::tempdir().unwrap();
        let hook = write_hook(directory.path());
        namespace.run(|| {
            mark_connections(3);
            let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
            let (meta, storage) = (listen(), listen());
            let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
            let (meta_port, storage_port) = (port(&meta), port(&storage));
            let process = |name: &str, role: &str, port: u16| {
                format!(
                    r#"{{"name": "{name}", "role": "{role}", "pid": null, "address": "127.0.0.1:{port}", "admin": "127.0.0.1:1",
                        "data": [], "config": ""}}"#
                )
            };
            let text = format!(
                r#"{{"endpoints": [], "region": "", "access_key": "", "secret_key": "", "processes": [{}, {}]}}"#,
                process("meta-1", "meta", meta_port),
                process("storage-1", "storage", storage_port)
            );
            let description: Description = serde_json::from_str(&text).unwrap();
            let reached = || {
                [
                    reaches(&hook, "meta-1", storage_port),
                    reaches(&hook, "storage-1", meta_port),
                    reaches(&hook, "storage-1", storage_port),
                ]
            };
            assert_eq!(reached(), [true, true, true]);
            let cut = cut(&description, "meta-1");
            assert_eq!(reached(), [false, false, true]);
            assert!(cut.dropped() > 0);
            drop(cut);
            assert_eq!(reached(), [true, true, true]);
        });
    }
}
