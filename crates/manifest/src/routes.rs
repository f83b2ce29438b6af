//! The compiled table of an app's routes.
//!
//! A trie over whole segments. At each segment a static text is tried first, then a parameter, then
//! a tail; a branch that leads nowhere is left again, so the first segment in which two patterns
//! differ decides between them. The path decides first and the method second: a path that some
//! pattern claims answers 405 to a method which that pattern does not take, even if a weaker
//! pattern would.
//!
//! Percent-encoding: static text is compared decoded, so `/caf%C3%A9` and `/caf%c3%a9` are one
//! path; an encoded slash (`%2F`) is part of its segment and never divides it. A tail takes what
//! follows its slash, be it nothing: `/photos/{*rest}` matches `/photos/` and not `/photos`. A
//! parameter takes one segment that is not empty. A trailing slash is significant.

use std::cmp::Ordering;

use mayfly_types::{FunctionName, Route};
use percent_encoding::percent_decode_str;

use crate::pattern::{self, PatternError, Segment};

/// Why routes do not make a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteConflict {
    /// Two routes claim the same requests.
    #[error("{} `{path}` is claimed by two routes", method.as_deref().unwrap_or("every method of"))]
    Taken {
        /// Index of the route that came first.
        first: usize,
        /// Index of the route that came later.
        second: usize,
        /// The later route's path.
        path: String,
        /// The method both claim; `None` when both claim all.
        method: Option<String>,
    },
    /// A route's path is not a pattern.
    #[error("route `{path}`: {error}")]
    Malformed {
        /// Index of the route.
        index: usize,
        /// Its path.
        path: String,
        /// What is wrong with it.
        error: PatternError,
    },
}

/// What a request leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteMatch<'a> {
    /// A function answers it.
    Found {
        /// The function.
        function: &'a FunctionName,
        /// The route's pattern, as it was written.
        pattern: &'a str,
        /// The parameters in the order of the path, percent-decoded; bytes that are not UTF-8
        /// become U+FFFD.
        params: Vec<(String, String)>,
    },
    /// The path is routed, for other methods.
    MethodNotAllowed {
        /// These, sorted.
        allow: Vec<String>,
    },
    /// No route has this path.
    NotFound,
}

/// Finds the function for a request.
#[derive(Debug, Clone)]
pub struct RouteTable {
    // Children are indices into this; the root is 0.
    nodes: Vec<Node>,
}

impl Default for RouteTable {
    /// The table of no routes.
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// Sorted by text.
    statics: Vec<(Box<[u8]>, usize)>,
    param: Option<usize>,
    /// What answers a path that ends here.
    here: Endpoint,
    /// What answers all that is below.
    tail: Endpoint,
}

/// The routes of one pattern.
#[derive(Debug, Clone, Default)]
struct Endpoint {
    /// Few enough to be searched one by one.
    methods: Vec<(Box<str>, Target)>,
    any: Option<Target>,
}

#[derive(Debug, Clone)]
struct Target {
    route: usize,
    function: FunctionName,
    pattern: Box<str>,
    captures: Box<[Capture]>,
}

#[derive(Debug, Clone)]
struct Capture {
    name: Box<str>,
    /// The segment it takes, or begins at.
    segment: usize,
    extent: Extent,
}

#[derive(Debug, Clone, Copy)]
enum Extent {
    Segment,
    Tail,
}

impl RouteTable {
    /// The table of `routes`. Their order has no meaning.
    ///
    /// # Errors
    /// The first route that is malformed or claims what an earlier one does. A route for a method
    /// and a route for all methods may share a path: the one for the method wins.
    pub fn new(routes: &[Route]) -> Result<Self, RouteConflict> {
        let mut table = Self::default();
        for (index, route) in routes.iter().enumerate() {
            let path = || route.path.clone();
            let segments = pattern::parse(&route.path)
                .map_err(|error| RouteConflict::Malformed { index, path: path(), error })?;
            let endpoint = table.endpoint(&segments);
            let target = Target {
                route: index,
                function: route.function.clone(),
                pattern: route.path.as_str().into(),
                captures: captures(&segments),
            };
            endpoint.add(target, &route.methods).map_err(|(first, method)| {
                RouteConflict::Taken { first, second: index, path: path(), method }
            })?;
        }
        Ok(table)
    }

    /// What answers `method` on `path`. The path is as the request has it, percent-encoded and
    /// without the query. A `HEAD` that no route names goes where `GET` does.
    pub fn find(&self, method: &str, path: &str) -> RouteMatch<'_> {
        let Some(endpoint) = path.strip_prefix('/').and_then(|path| self.walk(0, path)) else {
            return RouteMatch::NotFound;
        };
        match endpoint.target(method) {
            Some(target) => RouteMatch::Found {
                function: &target.function,
                pattern: &target.pattern,
                params: target.params(path),
            },
            None => RouteMatch::MethodNotAllowed { allow: endpoint.allow() },
        }
    }

    /// The endpoint for the path below `node`, of which `path` is what is left. The depth of the
    /// recursion is that of the trie, and each node is entered once at most.
    fn walk(&self, node: usize, path: &str) -> Option<&Endpoint> {
        let node = &self.nodes[node];
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let descend = |child: usize| match rest {
            Some(rest) => self.walk(child, rest),
            None => Some(&self.nodes[child].here).filter(|endpoint| !endpoint.is_empty()),
        };
        node.static_child(segment)
            .and_then(descend)
            .or_else(|| node.param.filter(|_| !segment.is_empty()).and_then(descend))
            .or_else(|| Some(&node.tail).filter(|endpoint| !endpoint.is_empty()))
    }

    /// The endpoint of a pattern, made where there is none.
    fn endpoint(&mut self, segments: &[Segment]) -> &mut Endpoint {
        let mut at = 0;
        for segment in segments {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Tail(_) => return &mut self.nodes[at].tail,
                Segment::Param(_) => *node.param.get_or_insert(fresh),
                Segment::Static(text) => {
                    match node.statics.binary_search_by(|(known, _)| (**known).cmp(text)) {
                        Ok(found) => node.statics[found].1,
                        Err(place) => {
                            node.statics.insert(place, (text.as_slice().into(), fresh));
                            fresh
                        }
                    }
                }
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        &mut self.nodes[at].here
    }
}

impl Node {
    fn static_child(&self, segment: &str) -> Option<usize> {
        let found = if segment.contains('%') {
            self.statics.binary_search_by(|(known, _)| compare_decoded(known, segment))
        } else {
            self.statics.binary_search_by(|(known, _)| (**known).cmp(segment.as_bytes()))
        };
        found.ok().map(|found| self.statics[found].1)
    }
}

fn compare_decoded(known: &[u8], encoded: &str) -> Ordering {
    known.iter().copied().cmp(percent_decode_str(encoded))
}

impl Endpoint {
    fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.any.is_none()
    }

    /// Fails with the route that has the place already, and the method.
    fn add(&mut self, target: Target, methods: &[String]) -> Result<(), (usize, Option<String>)> {
        if methods.is_empty() {
            return match &self.any {
                Some(earlier) => Err((earlier.route, None)),
                None => {
                    self.any = Some(target);
                    Ok(())
                }
            };
        }
        for method in methods {
            if let Some((_, earlier)) = self.methods.iter().find(|(known, _)| **known == **method) {
                return Err((earlier.route, Some(method.clone())));
            }
            self.methods.push((method.as_str().into(), target.clone()));
        }
        Ok(())
    }

    fn target(&self, method: &str) -> Option<&Target> {
        let named = |method: &str| {
            self.methods.iter().find(|(known, _)| **known == *method).map(|(_, target)| target)
        };
        named(method)
            .or_else(|| if method == "HEAD" { named("GET") } else { None })
            .or(self.any.as_ref())
    }

    fn allow(&self) -> Vec<String> {
        let mut allow: Vec<String> =
            self.methods.iter().map(|(method, _)| method.to_string()).collect();
        if allow.iter().any(|method| method == "GET") && !allow.iter().any(|m| m == "HEAD") {
            allow.push("HEAD".into());
        }
        allow.sort();
        allow
    }
}

impl Target {
    fn params(&self, path: &str) -> Vec<(String, String)> {
        if self.captures.is_empty() {
            return Vec::new();
        }
        let mut params = Vec::with_capacity(self.captures.len());
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        let mut captures = self.captures.iter().peekable();
        for index in 0.. {
            let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
            if let Some(capture) = captures.next_if(|capture| capture.segment == index) {
                let raw = match capture.extent {
                    Extent::Segment => segment,
                    Extent::Tail => rest,
                };
                let value = percent_decode_str(raw).decode_utf8_lossy().into_owned();
                params.push((capture.name.to_string(), value));
            }
            if captures.peek().is_none() {
                break;
            }
            rest = after;
        }
        params
    }
}

fn captures(segments: &[Segment]) -> Box<[Capture]> {
    let capture = |(segment, part): (usize, &Segment)| match part {
        Segment::Static(_) => None,
        Segment::Param(name) => {
            Some(Capture { name: name.as_str().into(), segment, extent: Extent::Segment })
        }
        Segment::Tail(name) => {
            Some(Capture { name: name.as_str().into(), segment, extent: Extent::Tail })
        }
    };
    segments.iter().enumerate().filter_map(capture).collect()
}

#[cfg(test)]
mod tests;
