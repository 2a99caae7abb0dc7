//! Answers to what may take longer than clients wait for a head.
//!
//! A copy of gigabytes sends nothing until it is committed, and clients give up after a minute of silence. So an answer
//! that is not there soon begins with a 200 and blanks, and its document says at the end what became of it, as at S3.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use cairn_s3::output::{xml_answer, xml_head};
use cairn_s3::xml::writer::XML_DECLARATION;
use http::{HeaderMap, HeaderValue, Response};

use crate::body::{AnswerBody, StreamError};
use crate::fault::{Fault, guarded};

/// Work that ends sooner is answered as any other, a refusal with a status of its own.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long nothing is sent: well below what clients and proxies wait for.
const BLANK_INTERVAL: Duration = Duration::from_secs(10);

/// What came of the work.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The commit that the answer reflects.
    pub(crate) index: u64,
    /// The root element of the answer.
    pub(crate) element: String,
    /// Headers that say more, where the head was not sent yet.
    pub(crate) headers: HeaderMap,
}

/// Work as it is handed in: boxed, because it becomes part of an answer, and is large.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Finished, Fault>> + Send>>;

enum Step<R> {
    Begun(Work, R),
    Working(Work, R),
    Ended,
}

/// Waits for `work`, and answers as soon as it has ended or has taken long. `known` are headers that need not wait. `refusal` makes the error element for what fails
/// after that. A client that goes away ends the work.
///
/// # Errors
/// Those of `work`, while it is not late.
pub(crate) async fn answer<R>(
    work: Work,
    known: HeaderMap,
    refusal: R,
) -> Result<Response<AnswerBody>, Fault>
where
    R: FnOnce(&Fault) -> String + Send + 'static,
{
    let mut work: Work = Box::pin(guarded(work));
    let Ok(finished) = tokio::time::timeout(PATIENCE, &mut work).await else {
        let steps = futures::stream::unfold(Step::Begun(work, refusal), step);
        let mut answer = xml_head().map(|()| AnswerBody::open(steps));
        answer.headers_mut().extend(known);
        return Ok(answer);
    };
    let finished = finished?;
    let mut answer = xml_answer(&finished.element).map(AnswerBody::whole);
    let index = HeaderValue::from(finished.index);
    let headers = answer.headers_mut();
    headers.insert("x-cairn-index", index);
    headers.extend(known);
    headers.extend(finished.headers);
    Ok(answer)
}

async fn step<R>(step: Step<R>) -> Option<(Result<Bytes, StreamError>, Step<R>)>
where
    R: FnOnce(&Fault) -> String,
{
    let (text, next) = match step {
        Step::Begun(work, refusal) => (
            Bytes::from_static(XML_DECLARATION.as_bytes()),
            Step::Working(work, refusal),
        ),
        Step::Working(mut work, refusal) => {
            match tokio::time::timeout(BLANK_INTERVAL, &mut work).await {
                Err(_) => (Bytes::from_static(b" "), Step::Working(work, refusal)),
                Ok(Ok(finished)) => (finished.element.into(), Step::Ended),
                Ok(Err(fault)) => (refusal(&fault).into(), Step::Ended),
            }
        }
        Step::Ended => return None,
    };
    Some((Ok(text), next))
}

#[cfg(test)]
mod tests {
    use cairn_s3::code::Code;
    use http_body_util::BodyExt;

    use super::*;

    fn header(name: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_static("1"),
        )])
    }

    /// The answer to work that takes so long, and its body.
    async fn answered(takes: Duration, fails: bool) -> Result<(Response<()>, String), Code> {
        let work = async move {
            tokio::time::sleep(takes).await;
            if fails {
                return Err(Code::NoSuchUpload.into());
            }
            Ok(Finished {
                index: 7,
                element: "<Result/>".to_owned(),
                headers: header("x-made"),
            })
        };
        let refusal = |fault: &Fault| format!("<Error>{}</Error>", fault.error.code().name());
        let answer = answer(Box::pin(work), header("x-known"), refusal).await;
        let answer = answer.map_err(|fault| fault.error.code())?;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/xml");
        assert_eq!(answer.headers()["x-known"], "1");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let text = text.strip_prefix(XML_DECLARATION).unwrap().to_owned();
        Ok((Response::from_parts(head, ()), text))
    }

    #[tokio::test(start_paused = true)]
    async fn quick_work_is_answered_as_any_other() {
        let (head, text) = answered(Duration::from_secs(4), false).await.unwrap();
        assert_eq!(head.headers()["x-cairn-index"], "7");
        assert_eq!(head.headers()["x-made"], "1");
        assert_eq!(text, "<Result/>");
        let failed = answered(Duration::from_secs(4), true).await;
        assert_eq!(failed.map(|_| ()), Err(Code::NoSuchUpload));
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_is_answered_with_blanks_until_it_ends() {
        let (_, text) = answered(Duration::from_secs(6), false).await.unwrap();
        assert_eq!(text, "<Result/>");
        let (_, text) = answered(Duration::from_secs(36), false).await.unwrap();
        assert_eq!(text, "   <Result/>");
        let (_, text) = answered(Duration::from_secs(26), true).await.unwrap();
        assert_eq!(text, "  <Error>NoSuchUpload</Error>");
    }
}
