//! Synchronous calls of the guest: URL parsing, legacy text encodings and cryptography. They are
//! pure functions of their message, and their input is bounded because nothing interrupts them.

use url::{Url, quirks};

use crate::crypto;
use crate::wire::{Reader, Writer};

/// Longest URL or label, in bytes.
const LONGEST_TEXT: usize = 1 << 20;
/// Longest text in a legacy encoding, in bytes.
const LONGEST_ENCODED: usize = 64 << 20;

/// Answers a message: a status byte, then what the call gives.
pub(crate) fn answer(message: &[u8]) -> Vec<u8> {
    let mut reader = Reader(message);
    let name = reader.str().unwrap_or_default();
    let answered = match name {
        "url.parse" => url_parse(&mut reader),
        "url.set" => url_set(&mut reader),
        "text.decode" => text_decode(&mut reader),
        "text.label" => text_label(&mut reader),
        name => Some(named(name, &mut reader)),
    };
    answered.unwrap_or_else(|| vec![0])
}

fn short(text: &str) -> Option<&str> {
    (text.len() <= LONGEST_TEXT).then_some(text)
}

fn url_parse(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let input = short(reader.str()?)?;
    let url = match reader.maybe()? {
        Some(base) => {
            let base = Url::parse(short(std::str::from_utf8(base).ok()?)?).ok()?;
            base.join(input).ok()?
        }
        None => Url::parse(input).ok()?,
    };
    Some(components(&url))
}

fn components(url: &Url) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u8(1);
    for part in [
        quirks::href(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ] {
        writer.str(part);
    }
    writer.str(&quirks::origin(url));
    writer.0
}

fn url_set(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let mut url = Url::parse(short(reader.str()?)?).ok()?;
    let property = reader.str()?;
    let value = short(reader.str()?)?;
    // A setter that refuses its value leaves the URL as it is, as the standard has it; only `href`
    // is an error.
    let _ = match property {
        "href" => return quirks::set_href(&mut url, value).ok().map(|()| components(&url)),
        "protocol" => quirks::set_protocol(&mut url, value),
        "username" => quirks::set_username(&mut url, value),
        "password" => quirks::set_password(&mut url, value),
        "host" => quirks::set_host(&mut url, value),
        "hostname" => quirks::set_hostname(&mut url, value),
        "port" => quirks::set_port(&mut url, value),
        "pathname" => {
            quirks::set_pathname(&mut url, value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, value);
            Ok(())
        }
        _ => return None,
    };
    Some(components(&url))
}

fn text_decode(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let encoding = encoding_rs::Encoding::for_label(short(reader.str()?)?.as_bytes())?;
    let bytes = reader.bytes()?;
    let (fatal, ignore_bom) = (reader.u8()? == 1, reader.u8()? == 1);
    if bytes.len() > LONGEST_ENCODED {
        return None;
    }
    let mut decoder = match ignore_bom {
        true => encoding.new_decoder_without_bom_handling(),
        false => encoding.new_decoder_with_bom_removal(),
    };
    let mut text = String::new();
    if fatal {
        text.reserve(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
        let (result, _) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
        if result != encoding_rs::DecoderResult::InputEmpty {
            return Some(vec![2]);
        }
    } else {
        text.reserve(decoder.max_utf8_buffer_length(bytes.len())?);
        let _ = decoder.decode_to_string(bytes, &mut text, true);
    }
    let mut writer = Writer::default();
    writer.u8(1).str(&text);
    Some(writer.0)
}

fn text_label(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let encoding = encoding_rs::Encoding::for_label(short(reader.str()?)?.as_bytes())?;
    let mut writer = Writer::default();
    writer.u8(1).str(&encoding.name().to_ascii_lowercase());
    Some(writer.0)
}

/// A call by name with JSON and buffers.
fn named(name: &str, reader: &mut Reader<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut read = || {
        let meta = reader.str()?;
        let count = reader.u32()?;
        let buffers: Option<Vec<&[u8]>> = (0..count.min(16)).map(|_| reader.bytes()).collect();
        Some((meta, buffers?))
    };
    let Some((meta, buffers)) = read() else {
        writer.u8(0).str("OperationError").str("the call cannot be read");
        return writer.0;
    };
    let result = match name.strip_prefix("crypto.") {
        Some(operation @ ("pbkdf2" | "key.generate")) => {
            aside(|| crypto::call(operation, meta, &buffers))
        }
        Some(operation) => crypto::call(operation, meta, &buffers),
        None => {
            writer.u8(0).str("NotSupportedError").str("the host has no such call");
            return writer.0;
        }
    };
    match result {
        Ok(result) => writer.u8(1).str(&result.meta).maybe(Some(&result.bytes)),
        Err(error) => writer.u8(0).str(error.name).str(&error.message),
    };
    writer.0
}

/// Does what may take a second without holding up the other tasks of this thread.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
