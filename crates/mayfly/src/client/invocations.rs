//! Calls about invocations that nobody waits for.

use mayfly_state_api::{AttemptRecord, InvocationStatus};
use mayfly_types::{AppName, Fault, FunctionName, InvocationId, OperationId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ureq::http::Method;

use super::api::{json, retried};
use super::http::{Content, Request};
use super::{Client, Error};

/// An invocation that nobody waited for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invocation {
    /// Its id.
    pub(crate) id: InvocationId,
    /// The function.
    pub(crate) function: FunctionName,
    /// What kind of event it has.
    pub(crate) kind: String,
    /// How far it is.
    pub(crate) status: InvocationStatus,
    /// When it was accepted, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "accepted", with = "mayfly_types::rfc3339")]
    pub(crate) accepted_us: i64,
    /// When it is tried next, or was last due, in the same way.
    #[serde(rename = "due", with = "mayfly_types::rfc3339")]
    pub(crate) due_us: i64,
    /// Its attempts that have ended.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<Fault>,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Box<RawValue>>,
}

/// An event to send.
#[derive(Debug)]
pub(crate) struct Sending<'a> {
    /// The event as JSON.
    pub(crate) event: Vec<u8>,
    /// What kind of event it is.
    pub(crate) kind: Option<&'a str>,
    /// When it is due, as the query says it: `delay=10s`.
    pub(crate) due: Option<String>,
    /// What makes a repetition known, also by another call of this program.
    pub(crate) key: Option<String>,
}

/// Which invocations to list.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Only those that are so far.
    pub(crate) status: Option<InvocationStatus>,
    /// At most this many.
    pub(crate) limit: usize,
}

impl Client {
    /// Sends an event and does not wait for what comes of it.
    pub(crate) fn send(
        &self,
        app: &AppName,
        function: &FunctionName,
        sending: &Sending<'_>,
    ) -> Result<InvocationId, Error> {
        #[derive(Deserialize)]
        struct Taken {
            invocation_id: InvocationId,
        }
        let mut path = format!("/v1/apps/{app}/functions/{function}/invocations?mode=async");
        if let Some(due) = &sending.due {
            path.extend(["&", due]);
        }
        // A repetition of this very call must not be another event.
        let key = sending.key.clone().unwrap_or_else(|| OperationId::new().to_string());
        let mut headers = vec![("idempotency-key", key)];
        headers.extend(sending.kind.map(|kind| ("x-mayfly-event", kind.to_owned())));
        let request = || Request {
            headers: headers.clone(),
            body: Content::Json(sending.event.clone()),
            ..Request::new(Method::POST, path.clone())
        };
        Ok(retried(|| self.http.json::<Taken>(request()))?.invocation_id)
    }

    /// One invocation.
    pub(crate) fn invocation(&self, id: InvocationId) -> Result<Invocation, Error> {
        self.get(format!("/v1/invocations/{id}"))
    }

    /// Invocations of a function, the newest first.
    pub(crate) fn invocations(
        &self,
        app: &AppName,
        function: &FunctionName,
        listing: &Listing,
    ) -> Result<Vec<Invocation>, Error> {
        #[derive(Deserialize)]
        struct Invocations {
            invocations: Vec<Invocation>,
        }
        let mut path = format!("/v1/apps/{app}/functions/{function}/invocations");
        path.push_str(&format!("?limit={}", listing.limit));
        if let Some(status) = listing.status {
            path.push_str(&format!("&status={}", status.as_str()));
        }
        Ok(self.get::<Invocations>(path)?.invocations)
    }

    /// Cancels an invocation.
    pub(crate) fn cancel(&self, id: InvocationId) -> Result<Invocation, Error> {
        let answer = self.change(Method::DELETE, format!("/v1/invocations/{id}"), None)?;
        self.http.read(&answer)
    }

    /// Queues dead letters of a function again: those that `which` names, as the API has it.
    pub(crate) fn redrive(
        &self,
        app: &AppName,
        function: &FunctionName,
        which: &serde_json::Value,
    ) -> Result<usize, Error> {
        #[derive(Deserialize)]
        struct Redriven {
            redriven: usize,
        }
        let path = format!("/v1/apps/{app}/functions/{function}/redrive");
        let answer = self.change(Method::POST, path, Some(json(which)))?;
        Ok(self.http.read::<Redriven>(&answer)?.redriven)
    }
}
