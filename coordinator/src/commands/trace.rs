//! `--otlp-endpoint`: one look as an OpenTelemetry trace, by OTLP over HTTP. The look is the root span, each call to AWS a child of it,
//! named as OpenTelemetry's conventions for the AWS SDK have it.

use std::env;
use std::time::{Duration, SystemTime};

use eic_doctor_proto::{Report, visible};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use percent_encoding::percent_decode_str;
use prost::Message as _;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::console::Console;
use crate::gather::{CallLog, LoggedCall, body};

/// The report is out by then, and whoever reads it waits for the exit code.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Of an answer that has nothing to say but how many spans were rejected.
const ANSWER_LIMIT: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
enum TraceError {
    #[error("OTEL_EXPORTER_OTLP_HEADERS wants NAME=VALUE, separated by commas")]
    Headers,
    #[error("no answer to be had")]
    Http(#[source] reqwest::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it rejects {number} spans: {why}")]
    Rejected { number: i64, why: String },
}

/// Tells the collector of one look. A trace is nobody's verdict: one that is not taken is told on stderr and changes nothing.
pub(super) async fn send(endpoint: &str, report: &Report, log: &CallLog, console: &mut Console<'_>) {
    if let Err(error) = export(endpoint, spans(report, log, SystemTime::now())).await {
        let why = anyhow::Error::new(error);
        console.notice(&visible(&format!("the trace was not taken by {endpoint}: {why:#}")));
    }
}

async fn export(endpoint: &str, spans: Vec<SpanData>) -> Result<(), TraceError> {
    let headers = headers(&env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default()).ok_or(TraceError::Headers)?;
    let tool =
        [KeyValue::new("service.name", "eic-doctor"), KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    let tool = Resource::builder_empty().with_attributes(tool).build();
    let request =
        ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &(&tool).into()) };
    let (status, answer) = posted(endpoint, headers, request.encode_to_vec())
        .await
        .map_err(|error| TraceError::Http(error.without_url()))?;
    if !status.is_success() {
        return Err(TraceError::Status(status));
    }
    // An answer that is none is a collector's own matter: it has said that it took what it was sent.
    let rejected = ExportTraceServiceResponse::decode(answer.as_slice()).ok().and_then(|answer| answer.partial_success);
    match rejected.filter(|rejected| rejected.rejected_spans > 0) {
        Some(rejected) => Err(TraceError::Rejected { number: rejected.rejected_spans, why: rejected.error_message }),
        None => Ok(()),
    }
}

/// The status, and the answer's first bytes.
async fn posted(endpoint: &str, headers: HeaderMap, spans: Vec<u8>) -> Result<(StatusCode, Vec<u8>), reqwest::Error> {
    // Fails only when somebody has installed a provider already, and ours is ring too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
    let sent = client.post(endpoint).headers(headers).header(CONTENT_TYPE, "application/x-protobuf").body(spans);
    let response = sent.send().await?;
    Ok((response.status(), body(response, ANSWER_LIMIT).await?))
}

/// As OpenTelemetry's specification has the variable: `NAME=VALUE,…`, values percent-encoded.
fn headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        headers.append(HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value);
    }
    Some(headers)
}

/// The root span first.
fn spans(report: &Report, log: &CallLog, ended: SystemTime) -> Vec<SpanData> {
    let ids = RandomIdGenerator::default();
    let trace = ids.new_trace_id();
    let root = ids.new_span_id();
    let look =
        SpanData { attributes: of_report(report), ..span(trace, root, "check".to_owned(), log.began_at(), ended) };
    let calls = log.calls().into_iter().map(|call| of_call(&call, log.began_at(), trace, root, ids.new_span_id()));
    std::iter::once(look).chain(calls).collect()
}

fn of_report(report: &Report) -> Vec<KeyValue> {
    let subject = &report.subject;
    let named = [
        ("host.id", &subject.instance_id),
        ("host.image.id", &subject.image_id),
        ("cloud.account.id", &subject.account_id),
        ("cloud.region", &subject.region),
        ("cloud.availability_zone", &subject.availability_zone),
    ];
    let mut attributes: Vec<_> =
        named.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value.clone()?))).collect();
    let causes: Vec<StringValue> = report.root_causes.iter().map(|id| id.clone().into()).collect();
    attributes.extend([
        KeyValue::new("cloud.provider", "aws"),
        KeyValue::new("eic_doctor.connectable", report.connectable.word()),
        KeyValue::new("eic_doctor.root_causes", Value::Array(Array::String(causes))),
        KeyValue::new("eic_doctor.complete", report.complete),
    ]);
    attributes
}

/// A call that ended otherwise than well has AWS's error code, or what happened instead, as its error.
fn of_call(call: &LoggedCall, log_began: SystemTime, trace: TraceId, root: SpanId, id: SpanId) -> SpanData {
    let (prefix, method) = call.action.split_once(':').unwrap_or(("", call.action));
    let service = service(prefix);
    let began = log_began + call.began;
    let mut attributes = vec![
        KeyValue::new("rpc.system", "aws-api"),
        KeyValue::new("rpc.service", service),
        KeyValue::new("rpc.method", method),
    ];
    let mut status = Status::Unset;
    if call.outcome != "ok" {
        attributes.push(KeyValue::new("error.type", call.outcome.clone()));
        status = Status::error(call.outcome.clone());
    }
    SpanData {
        parent_span_id: root,
        span_kind: SpanKind::Client,
        attributes,
        status,
        ..span(trace, id, format!("{service}.{method}"), began, began + call.took)
    }
}

/// The service's name as AWS's SDKs have it, by its prefix in IAM's actions.
fn service(prefix: &'static str) -> &'static str {
    match prefix {
        "cloudtrail" => "CloudTrail",
        "ec2" => "EC2",
        "iam" => "IAM",
        "organizations" => "Organizations",
        "ssm" => "SSM",
        "sts" => "STS",
        other => other,
    }
}

fn span(trace: TraceId, id: SpanId, name: String, began: SystemTime, ended: SystemTime) -> SpanData {
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: began,
        end_time: ended,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("eic-doctor").build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_the_variable_are_decoded_and_never_printed() {
        let taken = headers("authorization=Bearer%20s3cret, x-scope = 7,").unwrap();
        assert_eq!(taken.get("authorization").unwrap(), "Bearer s3cret");
        assert_eq!(taken.get("x-scope").unwrap(), "7");
        assert!(!format!("{taken:?}").contains("s3cret"));
        assert!(headers("").unwrap().is_empty());
        for wrong in ["s3cret", "a b=1", "name=%0a"] {
            assert!(headers(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_call_is_named_as_awss_sdks_name_it_and_one_that_failed_says_how() {
        let call = |action, outcome: &str| LoggedCall {
            action,
            began: Duration::from_millis(5),
            took: Duration::from_millis(20),
            outcome: outcome.to_owned(),
        };
        let (trace, root, id) = (TraceId::from(1), SpanId::from(2), SpanId::from(3));
        let ok = of_call(&call("ec2:DescribeVpcs", "ok"), SystemTime::UNIX_EPOCH, trace, root, id);
        assert_eq!((ok.name.as_ref(), ok.status, ok.parent_span_id), ("EC2.DescribeVpcs", Status::Unset, root));
        assert_eq!(ok.start_time, SystemTime::UNIX_EPOCH + Duration::from_millis(5));
        assert_eq!(ok.end_time, SystemTime::UNIX_EPOCH + Duration::from_millis(25));
        let bad = of_call(&call("sts:GetCallerIdentity", "given up"), SystemTime::UNIX_EPOCH, trace, root, id);
        assert_eq!((bad.name.as_ref(), bad.status), ("STS.GetCallerIdentity", Status::error("given up")));
        assert!(bad.attributes.contains(&KeyValue::new("error.type", "given up")));
    }
}
