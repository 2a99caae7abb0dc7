//! A pool of threads for work that would hold up the async threads: encoding, hashing, sealing.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// Threads for computing. Cloning shares them.
#[derive(Clone)]
pub struct CpuPool {
    threads: Arc<rayon::ThreadPool>,
    /// Jobs that may be queued or running; a caller beyond it waits.
    places: Arc<Semaphore>,
}

/// The pool could not be started.
#[derive(Debug, thiserror::Error)]
#[error("start the CPU pool")]
pub struct CpuPoolError(#[from] rayon::ThreadPoolBuildError);

impl CpuPool {
    /// A pool of `threads` threads (at least 1), with eight jobs queued for each at the most.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, CpuPoolError> {
        let threads = threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|n| format!("cpu-{n}"))
            .build()?;
        Ok(Self {
            threads: Arc::new(pool),
            places: Arc::new(Semaphore::new(threads * 9)),
        })
    }

    /// Runs `job` on the pool and gives back its result. A caller that goes away does not stop it.
    ///
    /// Panics: when the job panics.
    pub async fn run<T, F>(&self, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (answer, result) = oneshot::channel();
        self.threads.spawn(move || {
            let _place = place;
            // The caller may have gone away: then nobody wants the result.
            let _ = answer.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
        });
        match result.await.expect("the job always sends") {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_gives_back_its_result() {
        let pool = CpuPool::new(2).unwrap();
        let jobs = (0_u64..100).map(|n| {
            let pool = pool.clone();
            async move { pool.run(move || n * n).await }
        });
        let mut sum = 0;
        for job in jobs {
            sum += job.await;
        }
        assert_eq!(sum, 328_350);
    }
}
