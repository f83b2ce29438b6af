use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn given(parents: &[&str], states: &[&str]) -> Option<TraceContext> {
    let mut headers = HeaderMap::new();
    for parent in parents {
        headers.append(TRACEPARENT, HeaderValue::from_str(parent).unwrap());
    }
    for state in states {
        headers.append(TRACESTATE, HeaderValue::from_str(state).unwrap());
    }
    TraceContext::from_headers(&headers)
}

fn state(states: &[&str]) -> Option<String> {
    given(&[PARENT], states).unwrap().state.map(|state| state.to_string())
}

#[test]
fn a_traceparent_is_read_and_written_again() {
    let context = given(&[PARENT], &[]).unwrap();
    assert_eq!(context.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(context.span_id.to_string(), "b7ad6b7169203331");
    assert!(context.sampled && context.state.is_none());
    assert_eq!(context.traceparent(), PARENT);
    let unsampled = PARENT.replace("-01", "-00");
    assert_eq!(given(&[&unsampled], &[]).unwrap().traceparent(), unsampled);
    // Flags that level 1 does not know are not passed on.
    assert_eq!(given(&[&PARENT.replace("-01", "-ff")], &[]).unwrap().traceparent(), PARENT);
}

#[test]
fn what_is_no_traceparent_is_none() {
    for wrong in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0X",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
    ] {
        assert_eq!(given(&[wrong], &[]), None, "{wrong}");
    }
    assert_eq!(given(&[PARENT, PARENT], &[]), None, "two of them name no parent");
    assert_eq!(given(&[], &["a=1"]), None);
}

#[test]
fn a_later_version_is_read_by_what_is_known_of_it() {
    for later in [PARENT.replacen("00", "01", 1), PARENT.replacen("00", "cc", 1) + "-what-comes"] {
        assert_eq!(given(&[&later], &[]).unwrap().traceparent(), PARENT, "{later}");
    }
}

#[test]
fn the_states_of_several_headers_are_one_list() {
    assert_eq!(state(&["a=1"]).unwrap(), "a=1");
    assert_eq!(state(&["a=1 , b= 2,", "", "t1@v=x~!"]).unwrap(), "a=1,b= 2,t1@v=x~!");
    assert_eq!(state(&[]), None);
    assert_eq!(state(&[" , "]), None);
}

#[test]
fn a_state_that_cannot_be_read_is_left_out() {
    let long_key = format!("{}=1", "a".repeat(257));
    let long_value = format!("a={}", "1".repeat(257));
    let many: Vec<String> = (0..33).map(|i| format!("k{i}=1")).collect();
    let many = many.join(",");
    for wrong in [
        "a",
        "=1",
        "a=",
        "A=1",
        "1a=1",
        "a=1,a=2",
        "a=1=2",
        "a b=1",
        "a@=1",
        "@a=1",
        "a@1=1",
        "a@b@c=1",
        &long_key,
        &long_value,
        &many,
    ] {
        assert_eq!(state(&[wrong]), None, "{wrong}");
    }
    let most: Vec<String> = (0..32).map(|i| format!("k{i}=1")).collect();
    assert!(state(&[&most.join(",")]).is_some());
}

#[test]
fn a_state_is_cut_to_512_characters_long_members_first() {
    let (long, fits) = (format!("long={}", "x".repeat(200)), format!("b={}", "x".repeat(98)));
    let list = [
        &fits,
        &long,
        &fits.replacen('b', "c", 1),
        &fits.replacen('b', "d", 1),
        &fits.replacen('b', "e", 1),
    ];
    let list: Vec<&str> = list.into_iter().map(String::as_str).collect();
    let kept = state(&[&list.join(",")]).unwrap();
    assert_eq!(kept.split(',').map(|member| &member[..1]).collect::<String>(), "bcde");
    let more = format!("{kept},f={}", "x".repeat(126));
    let kept = state(&[&more]).unwrap();
    assert_eq!(kept.split(',').map(|member| &member[..1]).collect::<String>(), "bcde");
    let exact = format!("a={},b={}", "x".repeat(256), "x".repeat(251));
    assert_eq!((exact.len(), state(&[&exact])), (512, Some(exact)));
}

#[test]
fn both_headers_are_written_in_place_of_those_that_are_there() {
    let context = given(&[PARENT], &["a=1", "b=2"]).unwrap();
    let mut headers = HeaderMap::new();
    for _ in 0..2 {
        headers.append(TRACEPARENT, HeaderValue::from_static("old"));
        headers.append(TRACESTATE, HeaderValue::from_static("old"));
    }
    context.write(&mut headers);
    let all =
        |name| headers.get_all(name).iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((all(TRACEPARENT), all(TRACESTATE)), (vec![PARENT], vec!["a=1,b=2"]));
    TraceContext { state: None, ..context }.write(&mut headers);
    assert!(headers.get(TRACESTATE).is_none());
}

#[test]
fn lambdas_words_name_the_same_place() {
    assert_eq!(
        given(&[PARENT], &[]).unwrap().amzn(),
        "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1"
    );
}

proptest! {
    #[test]
    fn every_place_comes_back_as_it_was(trace: [u8; 16], span: [u8; 8], sampled: bool) {
        prop_assume!(trace != [0; 16] && span != [0; 8]);
        let (trace_id, span_id) = (TraceId::new(trace).unwrap(), SpanId::new(span).unwrap());
        let context = TraceContext { trace_id, span_id, sampled, state: None };
        prop_assert_eq!(given(&[&context.traceparent()], &[]), Some(context));
    }

    #[test]
    fn no_bytes_break_the_reader_and_what_it_reads_can_be_sent(
        parent in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?".prop_map(String::into_bytes),
        ],
        states in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "([a-z]{1,3}=[ -~]{1,200},? ?){0,8}".prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(parent) = HeaderValue::from_bytes(&parent) {
            headers.insert(TRACEPARENT, parent);
        }
        for state in states.iter().filter_map(|state| HeaderValue::from_bytes(state).ok()) {
            headers.append(TRACESTATE, state);
        }
        if let Some(context) = TraceContext::from_headers(&headers) {
            let state = context.state.clone();
            prop_assert!(state.as_ref().is_none_or(|state| (1..=512).contains(&state.len())));
            let mut again = HeaderMap::new();
            context.write(&mut again);
            prop_assert_eq!(TraceContext::from_headers(&again), Some(context));
        }
    }
}
