//! Compiles many sources as one translation unit, splitting a unit that does not compile.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::sources::Sources;
use super::{BuildError, cache_error, create};

/// Sources per unit. Measured on 2 cores with clang 14: 30 cost 442 CPU-seconds and 1 GiB of memory per job; one per
/// unit, as the crate does it, about 2,400.
const SOURCES_PER_UNIT: usize = 30;

/// What the crate's build script passes on Linux with the feature `lz4`, with warnings off and the instructions of
/// Haswell on (CRC32C and PCLMUL in hardware): the same CPUs the erasure code asks for.
const FLAGS: &[&str] = &[
    "-O2",
    "-w",
    "-march=haswell",
    "-mpclmul",
    "-std=c++20",
    "-include",
    "cstdint",
    "-ffunction-sections",
    "-fdata-sections",
    "-fPIC",
    "-DNDEBUG=1",
    "-DLZ4=1",
    "-DHAVE_ALIGNED_NEW",
    "-DHAVE_UINT128_EXTENSION",
    "-DOS_LINUX",
    "-DROCKSDB_PLATFORM_POSIX",
    "-DROCKSDB_LIB_IO_POSIX",
    "-DROCKSDB_SCHED_GETCPU_PRESENT",
    "-DROCKSDB_AUXV_GETAUXVAL_PRESENT",
    "-DROCKSDB_FALLOCATE_PRESENT",
    "-DROCKSDB_RANGESYNC_PRESENT",
    "-Irocksdb/include/",
    "-Irocksdb/",
    "-Irocksdb/third-party/gtest-1.8.1/fused-src/",
    "-I.",
];

/// How much of a compiler's complaint is worth a screen.
const COMPLAINT_LEN_BYTES: usize = 2000;

/// The programs that build the archive, each with its first arguments (`ccache clang++`).
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// A C++20 compiler that takes clang's options; at least the program.
    pub compiler: Vec<String>,
    /// An archiver that takes `crs ARCHIVE OBJECT…`; at least the program.
    pub archiver: Vec<String>,
}

impl Default for Toolchain {
    /// `clang++` and `ar` as the system has them.
    fn default() -> Self {
        Self {
            compiler: vec!["clang++".to_owned()],
            archiver: vec!["ar".to_owned()],
        }
    }
}

impl Toolchain {
    /// Starts both programs once, so that a missing one is known before any work.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        for program in [&self.compiler, &self.archiver] {
            run(command(program).arg("--version"), "--version")?;
        }
        Ok(())
    }
}

/// Some sources and a name of their own.
struct Unit<'a> {
    name: String,
    files: &'a [String],
}

/// What every worker needs.
struct Job<'a> {
    sources: &'a Sources,
    scratch: &'a Path,
    compiler: &'a [String],
}

/// Compiles all sources on all cores and puts the objects into `archive`; objects and units stay in `scratch`.
pub(super) fn build(
    sources: &Sources,
    scratch: &Path,
    archive: &Path,
    toolchain: &Toolchain,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), BuildError> {
    let units = units(&sources.files, SOURCES_PER_UNIT);
    create(scratch)?;
    let job = Job {
        sources,
        scratch,
        compiler: &toolchain.compiler,
    };
    let mut objects = compile_all(&job, &units, progress)?;
    // The same archive whatever order the units came in.
    objects.sort();
    let mut archiver = command(&toolchain.archiver);
    run(
        archiver.arg("crs").arg(archive).args(&objects),
        &archive.display().to_string(),
    )
}

fn units(files: &[String], per_unit: usize) -> Vec<Unit<'_>> {
    files
        .chunks(per_unit)
        .enumerate()
        .map(|(at, files)| Unit {
            name: format!("unit{at:02}"),
            files,
        })
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a progress line on a terminal, not part of the store"
)]
fn compile_all(
    job: &Job<'_>,
    units: &[Unit<'_>],
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Vec<PathBuf>, BuildError> {
    let started = Instant::now();
    let workers = thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .min(units.len().max(1));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || {
        let mut objects = Vec::new();
        while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            let compiled = job.compile(unit);
            if compiled.is_err() {
                // Nobody takes up another unit: the archive will not be.
                next.store(units.len(), Ordering::Relaxed);
            }
            objects.extend(compiled?);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(&progress_line(done, units.len(), started.elapsed()));
        }
        Ok(objects)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let finished = running
            .into_iter()
            .map(|worker| worker.join().expect("a worker returns its errors"));
        finished
            .collect::<Result<Vec<_>, _>>()
            .map(|objects| objects.into_iter().flatten().collect())
    })
}

fn progress_line(done: usize, all: usize, elapsed: Duration) -> String {
    format!("{done} of {all} units compiled, {} s", elapsed.as_secs())
}

impl Job<'_> {
    /// Compiles a unit, or its halves when it does not compile: two sources may use one static name. Running out of
    /// memory looks the same, and smaller units help there too.
    fn compile(&self, unit: &Unit<'_>) -> Result<Vec<PathBuf>, BuildError> {
        let source = self.scratch.join(format!("{}.cc", unit.name));
        let object = self.scratch.join(format!("{}.o", unit.name));
        let text = includes(unit.files);
        fs::write(&source, text).map_err(|error| cache_error("write", &source, error))?;
        let mut command = command(self.compiler);
        command.args(FLAGS).arg("-I").arg(&self.sources.lz4_include);
        command
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(&object)
            .current_dir(&self.sources.crate_dir);
        let subject = unit.files.first().map_or("an empty unit", String::as_str);
        match run(&mut command, subject) {
            Ok(()) => Ok(vec![object]),
            Err(BuildError::Compile { .. }) if unit.files.len() > 1 => {
                let (first, second) = unit.files.split_at(unit.files.len() / 2);
                let mut objects = self.compile(&Unit {
                    name: format!("{}a", unit.name),
                    files: first,
                })?;
                objects.extend(self.compile(&Unit {
                    name: format!("{}b", unit.name),
                    files: second,
                })?);
                Ok(objects)
            }
            Err(error) => Err(error),
        }
    }
}

fn includes(files: &[String]) -> String {
    files
        .iter()
        .flat_map(|file| ["#include \"", file, "\"\n"])
        .collect()
}

fn command(words: &[String]) -> Command {
    let (program, arguments) = words.split_first().expect("a toolchain names its programs");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs to the end and keeps the output to itself, unless it fails; `subject` is what it works on.
fn run(command: &mut Command, subject: &str) -> Result<(), BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| BuildError::NoTool {
        program: program.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let end = complaint
        .char_indices()
        .rev()
        .nth(COMPLAINT_LEN_BYTES)
        .map_or(0, |(at, _)| at);
    let output = format!(
        "{}\n{}",
        complaint.get(end..).unwrap_or_default(),
        output.status
    );
    Err(BuildError::Compile {
        program,
        subject: subject.to_owned(),
        output,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compiler that copies the unit to the object, and refuses what `refuses` (a shell command on `$unit`) accepts.
    ///
    /// The scripts are read by `sh`, not executed: a file just written cannot be executed while another test forks.
    fn toolchain(directory: &Path, refuses: &str) -> Toolchain {
        let script = |name: &str, body: &str| {
            let path = directory.join(name);
            fs::write(&path, body).unwrap();
            vec!["sh".to_owned(), path.to_str().unwrap().to_owned()]
        };
        let options =
            "while [ $# -gt 0 ]; do case $1 in -c) unit=$2;; -o) object=$2;; esac; shift; done";
        let refusal = format!("if {refuses}; then echo clash >&2; exit 1; fi");
        Toolchain {
            compiler: script(
                "compiler",
                &format!("{options}\n{refusal}\ncp \"$unit\" \"$object\""),
            ),
            archiver: script(
                "archiver",
                "shift; archive=$1; shift; cat \"$@\" > \"$archive\"",
            ),
        }
    }

    fn sources(directory: &Path, count: usize) -> Sources {
        Sources {
            crate_dir: directory.to_owned(),
            lz4_include: directory.to_owned(),
            files: (0..count)
                .map(|number| format!("file{number:03}.cc"))
                .collect(),
        }
    }

    fn build_with(refuses: &str, count: usize) -> Result<String, BuildError> {
        let root = tempfile::tempdir().unwrap();
        let archive = root.path().join("archive");
        let toolchain = toolchain(root.path(), refuses);
        build(
            &sources(root.path(), count),
            &root.path().join("scratch"),
            &archive,
            &toolchain,
            &|_| {},
        )?;
        Ok(fs::read_to_string(archive).unwrap())
    }

    fn all_includes(count: usize) -> String {
        includes(&sources(Path::new("."), count).files)
    }

    #[test]
    fn every_source_is_in_the_archive_once_and_in_order() {
        assert_eq!(build_with("false", 95).unwrap(), all_includes(95));
    }

    #[test]
    fn units_that_clash_are_split_until_they_compile() {
        let clash = "grep -q file003 \"$unit\" && grep -q file004 \"$unit\"";

        assert_eq!(build_with(clash, 40).unwrap(), all_includes(40));
    }

    #[test]
    fn a_source_that_does_not_compile_alone_is_named() {
        let error = build_with("grep -q file007 \"$unit\"", 40).unwrap_err();

        assert!(
            matches!(&error, BuildError::Compile { subject, .. } if subject == "file007.cc"),
            "{error}"
        );
        assert!(error.to_string().contains("clash"), "{error}");
        assert!(error.leaves_the_stock_build());
    }
}
