//! Threads for blocking reads of one disk.
//!
//! Each disk has its own, so that a slow one takes nobody else's threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, oneshot};

/// Jobs that may wait or run at a time; more callers wait without being queued.
const JOBS_MAX: usize = 256;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads and a queue.
#[derive(Debug)]
pub struct Pool {
    /// Bounded by `permits`: a job holds one from before it is queued until it is done. `None` ends one thread.
    jobs: Sender<Option<Job>>,
    permits: Arc<Semaphore>,
    done: Arc<AtomicU64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The pool was closed, or the job panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk was closed")]
pub struct PoolError;

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn new(name: &str, threads: usize) -> std::io::Result<Self> {
        let (jobs, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = (0..threads)
            .map(|_| {
                let receiver = Arc::clone(&receiver);
                std::thread::Builder::new()
                    .name(name.to_owned())
                    .spawn(move || work(&receiver))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            jobs,
            permits: Arc::new(Semaphore::new(JOBS_MAX)),
            done: Arc::default(),
            threads: Mutex::new(threads),
        })
    }

    /// Runs a job on one of the threads and waits for it. When the caller goes away, the job runs all the same.
    ///
    /// # Errors
    /// The pool was closed, or the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| PoolError)?;
        let (reply, answer) = oneshot::channel();
        let done = Arc::clone(&self.done);
        let job: Job = Box::new(move || {
            let result = job();
            done.fetch_add(1, Ordering::Relaxed);
            // The caller may be gone; then nobody wants the answer.
            let _ = reply.send(result);
            drop(permit);
        });
        self.jobs.send(Some(job)).map_err(|_| PoolError)?;
        answer.await.map_err(|_| PoolError)
    }

    /// How many jobs came to their end so far. While it grows, the disk answers.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Takes no more jobs, and waits for those that were taken. Blocks.
    pub fn close(&self) {
        self.permits.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for _ in &threads {
            // A thread that is gone needs no word.
            let _ = self.jobs.send(None);
        }
        for thread in threads {
            // Jobs that panic are caught, so there is nothing to hear of.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for _ in threads {
            let _ = self.jobs.send(None);
        }
    }
}

fn work(receiver: &Mutex<Receiver<Option<Job>>>) {
    loop {
        let job = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        match job {
            Ok(Some(job)) => {
                // The one who waits for the answer sees that it is gone.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
            Ok(None) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_and_one_that_panics_takes_no_thread_along() {
        let pool = Pool::new("test", 1).unwrap();
        assert_eq!(pool.run(|| 7).await, Ok(7));
        assert_eq!(
            pool.run(|| panic!("as intended")).await,
            Err::<(), _>(PoolError)
        );
        assert_eq!(pool.run(|| 8).await, Ok(8));
        pool.close();
        assert_eq!(pool.run(|| 9).await, Err(PoolError));
    }
}
