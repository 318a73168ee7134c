//! Rust sources as tokens, as far as it takes to find the paths that a module names.

use std::iter::Peekable;
use std::str::Chars;

/// A token and the line that it is on, from 1. Comments, literals and lifetimes are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word(String),
    /// `::`
    PathSeparator,
    Punctuation(char),
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, punctuation: char) -> bool {
        self.kind == Kind::Punctuation(punctuation)
    }
}

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().peekable(), line: 1, tokens: Vec::new() };
    while lexer.step() {}
    lexer.tokens
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn next_if(&mut self, wanted: char) -> bool {
        self.chars.peek() == Some(&wanted) && self.next().is_some()
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { line: self.line, kind });
    }

    /// Takes one token, or something that is none; says whether there may be more.
    fn step(&mut self) -> bool {
        let Some(c) = self.next() else { return false };
        match c {
            '/' if self.next_if('/') => self.skip_line(),
            '/' if self.next_if('*') => self.skip_block(),
            '"' => self.skip_string(),
            '\'' => self.skip_quote(),
            ':' if self.next_if(':') => self.push(Kind::PathSeparator),
            c if c.is_alphanumeric() || c == '_' => self.word(c),
            c if c.is_whitespace() => {}
            c => self.push(Kind::Punctuation(c)),
        }
        true
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    /// Block comments nest.
    fn skip_block(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some('/') if self.next_if('*') => depth += 1,
                Some('*') if self.next_if('/') => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn skip_string(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => drop(self.next()),
                _ => {}
            }
        }
    }

    /// A raw string, whose opening `r` and `hash_count` hashes are behind.
    fn skip_raw_string(&mut self, hash_count: usize) {
        let mut closing = None;
        while closing != Some(hash_count) {
            closing = match (self.next(), closing) {
                (Some('"'), _) => Some(0),
                (Some('#'), Some(count)) => Some(count + 1),
                (Some(_), _) => None,
                (None, _) => return,
            };
        }
    }

    /// A character literal, or a lifetime.
    fn skip_quote(&mut self) {
        match self.next() {
            Some('\\') => {
                self.next();
                while self.next().is_some_and(|c| c != '\'') {}
            }
            Some(_) if self.next_if('\'') => {}
            // A lifetime: the rest of its name goes with it.
            _ => while self.chars.next_if(|c| c.is_alphanumeric() || *c == '_').is_some() {},
        }
    }

    fn word(&mut self, first: char) {
        let mut word = String::from(first);
        while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        let raw = matches!(&word[..], "r" | "br" | "cr");
        let mut hash_count = 0;
        while raw && self.next_if('#') {
            hash_count += 1;
        }
        if raw && self.next_if('"') {
            self.skip_raw_string(hash_count);
        } else if hash_count == 0 {
            self.push(Kind::Word(word));
        }
        // What is left is a raw identifier: its name is the next word.
    }
}

/// A path from the crate's root that a source names, and the line where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
}

/// Every path through `crate`, `self`, `super` or the crate's own name in the `tokens` of `module`,
/// imported or written in place, resolved from the crate's root.
pub(crate) fn named_paths(module: &[String], tokens: &[Token]) -> Vec<Named> {
    let mut named = Vec::new();
    let mut module = module.to_vec();
    // For each open brace, whether it is an inline module's.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_module = at >= 2
            && tokens[at].is('{')
            && tokens[at - 2].word() == Some("mod")
            && tokens[at - 1].word().is_some();
        match &tokens[at].kind {
            Kind::Punctuation('{') => {
                if is_module {
                    module.extend(tokens[at - 1].word().map(str::to_owned));
                }
                braces.push(is_module);
            }
            Kind::Punctuation('}') if braces.pop() == Some(true) => drop(module.pop()),
            Kind::Word(_) if starts_path(tokens, at) => {
                at = tree(tokens, at, module.clone(), &mut named);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    named
}

fn starts_path(tokens: &[Token], at: usize) -> bool {
    let follows_path = at > 0 && tokens[at - 1].kind == Kind::PathSeparator;
    let leads_on = tokens
        .get(at + 1)
        .is_some_and(|next| next.kind == Kind::PathSeparator || next.word() == Some("as"));
    let anchored = matches!(tokens[at].word(), Some("crate" | "self" | "super" | "tickwire"));
    anchored && leads_on && !follows_path
}

/// Takes a path, or a tree of paths as in a `use`; returns where it ends.
fn tree(tokens: &[Token], mut at: usize, mut base: Vec<String>, named: &mut Vec<Named>) -> usize {
    while let Some(token) = tokens.get(at) {
        let leads_on = tokens.get(at + 1).is_some_and(|next| next.kind == Kind::PathSeparator);
        match &token.kind {
            Kind::Word(word) => {
                enter(&mut base, word);
                if leads_on {
                    at += 2;
                    continue;
                }
                at += 1;
            }
            Kind::Punctuation('{') => return group(tokens, at + 1, &base, named),
            Kind::Punctuation('*') => at += 1,
            // Type arguments and the like: the path ends before them.
            _ => {}
        }
        named.push(Named { line: token.line, path: base });
        return at;
    }
    at
}

/// Takes the branches of a `use` tree behind their opening brace.
fn group(tokens: &[Token], mut at: usize, base: &[String], named: &mut Vec<Named>) -> usize {
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Punctuation('}') => return at + 1,
            Kind::Punctuation('{' | '*') => at = tree(tokens, at, base.to_vec(), named),
            Kind::Word(word) if word == "as" => at += 2,
            Kind::Word(_) => at = tree(tokens, at, base.to_vec(), named),
            _ => at += 1,
        }
    }
    at
}

fn enter(base: &mut Vec<String>, word: &str) {
    match word {
        "crate" | "tickwire" => base.clear(),
        "super" => drop(base.pop()),
        "self" => {}
        name => base.push(name.to_owned()),
    }
}
