//! `eic-doctor check --otlp-endpoint` against a collector that takes what it is sent, refuses it, or is not there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{JoinHandle, spawn};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use crate::lab::{Run, lab};

struct Received {
    head: String,
    body: Vec<u8>,
}

/// Takes one request and answers it with this status.
fn collector(status: &'static str) -> (String, JoinHandle<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "cut: {head}");
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        write!(reader.into_inner(), "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        Received { head, body }
    });
    (url, taken)
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> &'a Any {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()).unwrap_or_else(|| panic!("no {key}"))
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match value(attributes, key) {
        Any::StringValue(text) => text,
        other => panic!("{key}: {other:?}"),
    }
}

fn checked(url: &str, rules: serde_json::Value) -> Run {
    let scenario = lab().scenario(json!({ "machine": false, "ssm": false }));
    scenario.fault("sg-no-rule");
    lab().control("POST", "/aws", &json!({ "access_key": scenario.get("access_key"), "rules": rules }));
    let mut command = scenario.command(&["check", scenario.id(), "--otlp-endpoint", url, "--output", "json"]);
    command.args(["--via", "public", "--source", "203.0.113.7/32", "--os-facts", "none", "--only", "aws"]);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=s3cret");
    crate::lab::run(command)
}

#[test]
fn a_look_is_one_span_and_each_call_to_aws_a_child_of_it() {
    let (url, taken) = collector("200 OK");
    let refused = json!([{ "action": "ec2:DescribeImages", "answer": "refuse" }]);
    let found = checked(&url, refused);
    assert!(!found.stderr.contains("the trace"), "{}", found.stderr);
    let received = taken.join().unwrap();
    assert!(received.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", received.head);
    assert!(received.head.to_lowercase().contains("x-token: s3cret"), "{}", received.head);
    let sent = ExportTraceServiceRequest::decode(received.body.as_slice()).unwrap();
    let [resource] = sent.resource_spans.as_slice() else { panic!("{sent:?}") };
    assert_eq!(text(&resource.resource.as_ref().unwrap().attributes, "service.name"), "eic-doctor");
    let spans: Vec<&Span> = resource.scope_spans.iter().flat_map(|scope| &scope.spans).collect();
    let (roots, calls): (Vec<&Span>, Vec<&Span>) = spans.iter().partition(|span| span.parent_span_id.is_empty());
    let [root] = roots.as_slice() else { panic!("{roots:?}") };

    let report = found.report();
    assert_eq!(root.name, "check");
    assert_eq!(text(&root.attributes, "host.id"), report["subject"]["instance_id"]);
    assert_eq!(text(&root.attributes, "eic_doctor.connectable"), "no");
    let Any::ArrayValue(causes) = value(&root.attributes, "eic_doctor.root_causes") else { panic!("{root:?}") };
    let causes: Vec<_> = causes.values.iter().map(|cause| cause.value.clone().unwrap()).collect();
    assert_eq!(causes, [Any::StringValue("aws.network.security-group-ingress".to_owned())]);

    for call in &calls {
        assert_eq!((&call.trace_id, &call.parent_span_id), (&root.trace_id, &root.span_id), "{call:?}");
        assert!(root.start_time_unix_nano <= call.start_time_unix_nano, "{call:?}");
        assert!(call.start_time_unix_nano <= call.end_time_unix_nano, "{call:?}");
        assert!(call.end_time_unix_nano <= root.end_time_unix_nano, "{call:?}");
    }
    let of =
        |name: &str| *calls.iter().find(|call| call.name == name).unwrap_or_else(|| panic!("no {name}: {calls:?}"));
    assert!(of("EC2.DescribeInstances").status.as_ref().is_none_or(|status| status.code == 0));
    let refused = of("EC2.DescribeImages");
    assert_eq!(text(&refused.attributes, "rpc.system"), "aws-api");
    assert_eq!(text(&refused.attributes, "error.type"), "UnauthorizedOperation");
    assert_eq!(refused.status.as_ref().unwrap().code, 2);
}

#[test]
fn a_trace_that_nobody_takes_is_told_and_changes_nothing() {
    let (url, taken) = collector("503 Service Unavailable");
    let refused = checked(&url, json!([]));
    taken.join().unwrap();
    let unreachable = checked("http://127.0.0.1:1", json!([]));
    for (found, why) in [(refused, "503"), (unreachable, "refused")] {
        assert_eq!(found.code, 1, "{}", found.stderr);
        assert_eq!(found.report()["root_causes"], json!(["aws.network.security-group-ingress"]));
        let told = found.stderr.lines().find(|line| line.contains("the trace was not taken by http://127.0.0.1:"));
        assert!(told.is_some_and(|line| line.to_lowercase().contains(why)), "{why}: {}", found.stderr);
        assert!(!found.stderr.contains("s3cret"), "{}", found.stderr);
    }
}
