//! Who sends: what every batch says of this node.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// This node, by the names of OpenTelemetry's conventions for services.
pub(crate) fn of_service(name: &str, instance: &str) -> Resource {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = [
        ("service.name", name),
        ("service.version", version),
        ("service.instance.id", instance),
        ("telemetry.sdk.name", "mayfly"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", version),
    ];
    let attributes = attributes.into_iter().map(|(key, value)| text(key, value)).collect();
    Resource { attributes, ..Resource::default() }
}

/// What made the spans and measured the metrics.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "mayfly".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    }
}

/// An attribute that is a text.
pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

/// An attribute.
pub(crate) fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
