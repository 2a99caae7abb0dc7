//! What is kept of a request until its answer has ended.

use std::time::Duration;

use cairn_runtime::SharedClock;
use cairn_runtime::metrics::{Counter, Histogram};
use http::StatusCode;
use tracing::Span;
use tracing::span::Entered;

/// The account of one request. Dropping it closes it: its answer was sent to the end, or given up.
pub(crate) struct Account {
    /// The span of the request.
    pub(crate) span: Span,
    /// Its operation, as logs and metrics call it.
    pub(crate) operation: &'static str,
    /// How it was answered.
    pub(crate) status: StatusCode,
    /// What measures it.
    pub(crate) clock: SharedClock,
    /// When its head was there.
    pub(crate) started: Duration,
    /// Where its time goes.
    pub(crate) seconds: Histogram,
    /// Where the bytes of its answer are counted, one by one as they go.
    pub(crate) sent: Counter,
    /// Those that went.
    pub(crate) sent_bytes: u64,
}

impl Account {
    /// Enters the span of the request.
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    /// Counts bytes of the answer.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.sent.inc_by(bytes);
        self.sent_bytes += bytes;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let elapsed = self.clock.monotonic().saturating_sub(self.started);
        self.seconds.observe(elapsed.as_secs_f64());
        let _entered = self.span.enter();
        tracing::debug!(
            operation = self.operation,
            status = self.status.as_u16(),
            sent_bytes = self.sent_bytes,
            elapsed_ms = elapsed.as_secs_f64() * 1000.0,
            "answered"
        );
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cairn_runtime::Metrics;
    use cairn_runtime::clock::ManualClock;
    use cairn_types::time::Timestamp;
    use http_body_util::BodyExt;

    use super::*;
    use crate::body::AnswerBody;

    fn account(metrics: &Metrics, clock: SharedClock) -> Account {
        let labels = [("operation", "GetObject")];
        Account {
            span: Span::none(),
            operation: "GetObject",
            status: StatusCode::OK,
            started: clock.monotonic(),
            clock,
            seconds: metrics.seconds("cairn_http_request_seconds", &labels),
            sent: metrics.counter("cairn_http_sent_bytes_total", &[]),
            sent_bytes: 0,
        }
    }

    #[tokio::test]
    async fn a_request_is_measured_to_the_end_of_its_answer() {
        let metrics = Metrics::new();
        let clock = ManualClock::new(Timestamp::from_millis(1_000));
        let pieces = [b"abc", b"def"].map(|piece| Ok(Bytes::from_static(piece)));
        let body = AnswerBody::sized(futures::stream::iter(pieces), 6);
        let mut body = body.accounted(account(&metrics, clock.clone()));
        let sum = "cairn_http_request_seconds_sum{operation=\"GetObject\"}";
        let sent = "cairn_http_sent_bytes_total{} 3\n";

        assert!(body.frame().await.is_some());
        clock.advance(Duration::from_secs(7));
        let text = metrics.render();
        assert!(text.contains(sent), "{text}");
        assert!(text.contains(&format!("{sum} 0.0\n")), "{text}");
        // Given up before its end: what went is counted, and no more.
        drop(body);
        let text = metrics.render();
        assert!(text.contains(sent), "{text}");
        assert!(text.contains(&format!("{sum} 7.0\n")), "{text}");
    }
}
