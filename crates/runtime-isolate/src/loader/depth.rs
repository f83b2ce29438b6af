//! How deeply source is nested, before a recursive parser finds out.
//!
//! Every parser behind this one (oxc's here, QuickJS's in the engine) descends once per level. A
//! scan that knows strings, comments, templates and regular expressions is exact enough: code
//! that fools it costs the child process that loads it, and nothing else.

/// Deeper than any code that a person or a bundler writes.
pub(super) const MAX_DEPTH: usize = 10_000;

/// The offset at which `source` becomes too deep, if it does.
pub(super) fn too_deep(source: &str) -> Option<usize> {
    // A level takes at least a byte.
    if source.len() <= MAX_DEPTH {
        return None;
    }
    Scan::new(source.as_bytes()).run()
}

/// What stands to the left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// An operator or nothing: what follows is an operand, so a `/` opens a regular expression.
    Operator,
    /// The end of an operand: what follows is an operator.
    Operand,
    /// `}`: the end of a block or of an object. A word after it begins a statement.
    Brace,
}

/// An opened bracket.
struct Level {
    /// The operators that were waiting for their right side when it opened.
    chain: usize,
    /// Whether it belongs to the operand on its left: a call, a subscript.
    suffix: bool,
    /// Whether it is a template's `${`.
    template: bool,
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    levels: Vec<Level>,
    /// Operators in the current expression. Each may be a level of its own: `!!!a`, `a.b.c`,
    /// `a ? b : c ? d : e`.
    chain: usize,
    /// The sum of the chains in `levels`.
    below: usize,
    before: Before,
    newline: bool,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Self {
        let (levels, before) = (Vec::new(), Before::Operator);
        Self { text, at: 0, levels, chain: 0, below: 0, before, newline: false }
    }

    fn run(mut self) -> Option<usize> {
        while let Some(&byte) = self.text.get(self.at) {
            let start = self.at;
            self.at += 1;
            match byte {
                b' ' | b'\t' | b'\r' => continue,
                b'\n' => {
                    self.newline = true;
                    continue;
                }
                b'/' if self.next_is(b'/') => {
                    self.skip_past(b"\n");
                    self.newline = true;
                    continue;
                }
                b'/' if self.next_is(b'*') => {
                    self.at += 1;
                    self.skip_past(b"*/");
                    continue;
                }
                b'/' if self.before == Before::Operator => {
                    self.regex();
                    self.operand();
                }
                b'"' | b'\'' => {
                    self.string(byte);
                    self.operand();
                }
                b'`' => {
                    self.chain += usize::from(self.before == Before::Operand);
                    self.template();
                }
                b'(' | b'[' | b'{' => self.open(byte != b'{', false),
                b')' | b']' | b'}' => self.close(byte),
                b';' | b',' => {
                    self.chain = 0;
                    self.before = Before::Operator;
                }
                _ if is_word(byte) => {
                    self.skip_while(is_word);
                    self.word(start);
                }
                // Before an operand or after one, and it stays so.
                b'+' | b'-' if self.next_is(byte) => {
                    self.at += 1;
                    self.chain += 1;
                }
                _ => {
                    if is_infix(byte) {
                        self.skip_while(is_infix);
                    }
                    self.chain += 1;
                    self.before = Before::Operator;
                }
            }
            self.newline = false;
            if self.levels.len() + self.below + self.chain > MAX_DEPTH {
                return Some(start);
            }
        }
        None
    }

    fn next_is(&self, byte: u8) -> bool {
        self.text.get(self.at) == Some(&byte)
    }

    fn skip_while(&mut self, is_part: fn(u8) -> bool) {
        while self.text.get(self.at).is_some_and(|&byte| is_part(byte)) {
            self.at += 1;
        }
    }

    fn skip_past(&mut self, end: &[u8]) {
        let rest = &self.text[self.at.min(self.text.len())..];
        let length = rest.windows(end.len()).position(|window| window == end);
        self.at += length.map_or(rest.len(), |length| length + end.len());
    }

    fn operand(&mut self) {
        match self.before {
            // Where two operands meet across lines, a statement ends.
            Before::Brace => self.chain = 0,
            Before::Operand if self.newline => self.chain = 0,
            // A word that is an operator only here: `async`, `readonly`.
            Before::Operand => self.chain += 1,
            Before::Operator => {}
        }
        self.before = Before::Operand;
    }

    fn word(&mut self, start: usize) {
        match &self.text[start..self.at] {
            b"return" | b"throw" | b"case" | b"const" | b"let" | b"var" | b"import" | b"export" => {
                self.chain = 0;
                self.before = Before::Operator;
            }
            b"typeof" | b"void" | b"delete" | b"await" | b"new" | b"yield" | b"if" | b"for"
            | b"while" | b"with" | b"do" => {
                self.operand();
                self.chain += 1;
                self.before = Before::Operator;
            }
            b"else" | b"in" | b"of" | b"instanceof" | b"extends" | b"as" | b"satisfies"
            | b"keyof" => {
                self.chain += 1;
                self.before = Before::Operator;
            }
            _ => self.operand(),
        }
    }

    fn open(&mut self, suffix: bool, template: bool) {
        let suffix = suffix && self.before == Before::Operand;
        self.levels.push(Level { chain: self.chain, suffix, template });
        self.below += self.chain;
        self.chain = 0;
        self.before = Before::Operator;
    }

    fn close(&mut self, byte: u8) {
        let Some(level) = self.levels.pop() else { return };
        self.below -= level.chain;
        self.chain = level.chain + usize::from(level.suffix);
        self.before = if byte == b'}' { Before::Brace } else { Before::Operand };
        if level.template {
            self.template();
        }
    }

    fn string(&mut self, quote: u8) {
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'\n' => return,
                _ if byte == quote => return,
                _ => {}
            }
        }
    }

    /// To the end of a template, or to its next `${`.
    fn template(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'`' => break,
                b'$' if self.next_is(b'{') => {
                    self.at += 1;
                    self.open(false, true);
                    return;
                }
                _ => {}
            }
        }
        self.before = Before::Operand;
    }

    fn regex(&mut self) {
        let mut class = false;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => return,
                // Not a regular expression after all.
                b'\n' => return,
                _ => {}
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_$#".contains(&byte) || byte >= 0x80
}

/// Part of an operator between two operands, of which several characters make one.
fn is_infix(byte: u8) -> bool {
    b"=<>&|*?%^".contains(&byte)
}
