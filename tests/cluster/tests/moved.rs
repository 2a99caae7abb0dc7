//! All metadata nodes move at once: the cluster finds itself again by the names in `cluster.members`.

use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::{Description, Role};
use serde_json::Value;

use crate::fixture::{KIB, first_client, make_buckets, runtime};

const SMALL: [&str; 6] = ["--meta", "3", "--storage", "3", "--gateways", "1"];
const METAS: [&str; 3] = ["meta-1", "meta-2", "meta-3"];

#[test]
fn metadata_nodes_that_all_move_at_once_are_found_again_by_each_other_and_by_those_who_run() {
    let runtime = runtime();
    let fronts = METAS.map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap()));
    let cluster = Cluster::up_with("moved", &SMALL, |scratch| {
        let members = fronts
            .each_ref()
            .map(|(name, front)| format!("{name}={}", front.local_addr().unwrap()));
        let hook = write_hook(scratch, &members.join(","));
        for (name, front) in fronts {
            let file = scratch.join("cluster").join("cluster.json");
            thread::spawn(move || serve_front(name, &front, &file));
        }
        vec![("CLUSTER_EXEC".to_owned(), hook.display().to_string())]
    });
    let bucket = make_buckets(&runtime, &cluster, "moved", 1).swap_remove(0);
    let client = first_client(&cluster);
    let body = vec![7; usize::try_from(100 * KIB).unwrap()];
    let put = |key: &'static str| {
        let put = runtime.block_on(client.put(&bucket, key, body.clone().into()));
        let put = put.unwrap();
        assert_eq!(put.status, 200, "{}", put.text());
    };
    put("before");
    let before = cluster.description();

    cluster.strike(&METAS);
    move_elsewhere(&cluster);
    let begun = Instant::now();
    // Writes what `cluster.members` is now for the metadata nodes, and waits until the gateway can write.
    cluster.run(&["up"]);
    println!("moved: can write after {:.1?}", begun.elapsed());
    put("after");
    cluster.status();
    let after = cluster.description();
    for process in &after.processes {
        let known = before.process(&process.name);
        let has_moved = known.address != process.address;
        assert_eq!(has_moved, process.role == Role::Meta, "{}", process.name);
        assert_eq!(has_moved, known.pid != process.pid, "{}", process.name);
    }
    let got = runtime.block_on(client.get(&bucket, "before")).unwrap();
    assert_eq!(got.status, 200, "{}", got.text());
    assert!(got.body == body);
    cluster.finish(&[]);
}

/// Gives the metadata nodes, none of which runs, other ports.
fn move_elsewhere(cluster: &Cluster) {
    let mut state: Value = serde_json::from_slice(&fs::read(cluster.file()).unwrap()).unwrap();
    // All are taken at the same time, so that they are others.
    let ports = METAS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut ports = ports.iter();
    for process in state["processes"].as_array_mut().unwrap() {
        if process["role"] == "meta" {
            let port = ports.next().unwrap().local_addr().unwrap();
            process["address"] = port.to_string().into();
        }
    }
    fs::write(cluster.file(), state.to_string()).unwrap();
}

/// A command for the script that gives all but the metadata nodes these members, which do not change when those move: as with
/// names that are looked up.
fn write_hook(scratch: &Path, members: &str) -> PathBuf {
    let hook = scratch.join("with-fronts");
    let text = format!(
        "#!/bin/sh\nname=$1\nshift\ncase $name in\n  meta-*) ;;\n  *) export CAIRN_CLUSTER_MEMBERS={members} ;;\nesac\nexec \"$@\"\n"
    );
    fs::write(&hook, text).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    hook
}

/// Connects whoever comes with where the process is by now, for as long as the test runs.
fn serve_front(name: &str, front: &TcpListener, file: &Path) {
    for caller in front.incoming().flatten() {
        // A caller for whom there is nobody is hung up on.
        if let Ok(process) = reach(name, file) {
            join(&caller, &process);
            join(&process, &caller);
        }
    }
}

fn reach(name: &str, file: &Path) -> io::Result<TcpStream> {
    let description = Description::read(file).map_err(io::Error::other)?;
    let address: SocketAddr = description.process(name).address;
    TcpStream::connect(address)
}

/// Passes on what comes from one to the other.
fn join(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
