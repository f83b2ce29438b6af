//! From the entry file to all files that it reaches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use mayfly_runtime_api::Diagnostic;

use super::commonjs::{self, CommonJs, Required};
use super::parse::{self, Esm, Input, Parsed, Request, Urgency};
use super::resolve::{File, Manner, Resolver, Target};
use super::{LoadRequest, MAX_MODULES, MAX_SOURCE, Module, ModuleGraph, link, position};

/// More faults than a person reads at once.
const MAX_FAULTS: usize = 50;

/// The name of what a package says is nothing.
const EMPTY: &str = "(empty)";

/// A file of the graph.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) source: String,
    /// Whether it is the author's own, and not of an installed package.
    pub(super) own: bool,
    pub(super) content: Content,
    /// What its imports mean.
    pub(super) imports: BTreeMap<String, usize>,
    /// What its requires mean.
    pub(super) requires: BTreeMap<String, usize>,
    /// The names that others import from it, where it is CommonJS; `None` if no one imports it.
    pub(super) facade: Option<BTreeSet<String>>,
    /// Who asked for it first, and at which offset.
    pub(super) importer: Option<(usize, usize)>,
}

/// What a file of the graph holds.
#[derive(Debug)]
pub(super) enum Content {
    Module(Esm),
    CommonJs(CommonJs),
    Json(String),
    /// It could not be read or parsed.
    Broken,
}

/// Loads a graph on the current thread.
pub(super) fn load(request: LoadRequest<'_>) -> Result<ModuleGraph, Vec<Diagnostic>> {
    let root = request.root.canonicalize().map_err(|error| {
        vec![Diagnostic::new(format!("open {}: {error}", request.root.display()))]
    })?;
    let mut graph = Graph {
        resolver: Resolver::new(&root),
        root,
        units: Vec::new(),
        known: HashMap::new(),
        size: 0,
        faults: Vec::new(),
        warnings: Vec::new(),
    };
    let entry = graph.entry(request.entry).map_err(|fault| vec![fault])?;
    let mut next = 0;
    while next < graph.units.len() {
        if let Err(fault) = graph.follow(next) {
            graph.faults.push(fault);
            break;
        }
        next += 1;
    }
    if graph.faults.is_empty() {
        graph.faults = link::link(&mut graph.units);
    }
    if graph.faults.is_empty() {
        Ok(graph.assemble(entry))
    } else {
        graph.faults.truncate(MAX_FAULTS);
        Err(graph.faults)
    }
}

pub(super) struct Graph {
    pub(super) root: PathBuf,
    pub(super) resolver: Resolver,
    pub(super) units: Vec<Unit>,
    known: HashMap<PathBuf, usize>,
    /// Bytes read.
    size: u64,
    faults: Vec<Diagnostic>,
    warnings: Vec<String>,
}

impl Graph {
    fn entry(&mut self, entry: &str) -> Result<usize, Diagnostic> {
        let relative = entry.strip_prefix("./").unwrap_or(entry);
        let path = self.root.join(relative);
        let mut fault = Diagnostic::new(format!("{relative} is not in the artifact"));
        if !path.is_file() {
            fault.help = self.similar(&path).map(|name| format!("there is {name}"));
            return Err(fault);
        }
        match self.resolver.resolve(&self.root, &format!("./{relative}"), Manner::Import) {
            Ok(Target::File(file)) => {
                let unit = self.add(file, None)?;
                self.units[unit].facade.get_or_insert_default();
                Ok(unit)
            }
            _ => Err(fault),
        }
    }

    /// The index of a file, which is read and parsed when it is new.
    ///
    /// # Errors
    /// A limit of the whole graph. What is wrong with the file itself goes to the faults.
    fn add(&mut self, file: File, importer: Option<(usize, usize)>) -> Result<usize, Diagnostic> {
        if let Some(&known) = self.known.get(&file.path) {
            return Ok(known);
        }
        if self.units.len() == MAX_MODULES {
            return Err(Diagnostic::new(format!("more than {MAX_MODULES} modules"))
                .help("bundle the function into one file"));
        }
        let name = self.resolver.relative(&file.path);
        let own = !self.resolver.in_package(&file.path);
        let source = self.read(&file.path, &name)?;
        let input = Input { name: &name, source: &source, format: file.format, own };
        let content = match parse::parse(&input) {
            Ok(Parsed::Module(module)) => Content::Module(module),
            Ok(Parsed::CommonJs(module)) => Content::CommonJs(module),
            Ok(Parsed::Json(module)) => Content::Json(module),
            Err(faults) => {
                self.faults.extend(faults);
                Content::Broken
            }
        };
        Ok(self.insert(file.path, name, source, own, content, importer))
    }

    /// The index of the unit that stands for nothing.
    fn empty(&mut self, importer: (usize, usize)) -> usize {
        let path = PathBuf::from(EMPTY);
        if let Some(&known) = self.known.get(&path) {
            return known;
        }
        let content = Content::CommonJs(CommonJs::default());
        self.insert(path, EMPTY.to_owned(), String::new(), false, content, Some(importer))
    }

    fn insert(
        &mut self,
        path: PathBuf,
        name: String,
        source: String,
        own: bool,
        content: Content,
        importer: Option<(usize, usize)>,
    ) -> usize {
        let index = self.units.len();
        self.known.insert(path.clone(), index);
        self.units.push(Unit {
            path,
            name,
            source,
            own,
            content,
            imports: BTreeMap::new(),
            requires: BTreeMap::new(),
            facade: None,
            importer,
        });
        index
    }

    fn read(&mut self, path: &Path, name: &str) -> Result<String, Diagnostic> {
        let at = |message: String| {
            let mut fault = Diagnostic::new(message);
            fault.file = Some(name.to_owned());
            fault
        };
        let size = std::fs::metadata(path).map_err(|error| at(format!("read: {error}")))?.len();
        self.size += size;
        if self.size > MAX_SOURCE {
            let limit = MAX_SOURCE >> 20;
            return Err(at(format!(
                "with this file, the function has more than {limit} MB of source"
            ))
            .help("leave out what the function does not use"));
        }
        let bytes = std::fs::read(path).map_err(|error| at(format!("read: {error}")))?;
        match String::from_utf8(bytes) {
            Ok(source) => Ok(source),
            Err(error) => {
                let offset = error.utf8_error().valid_up_to();
                self.faults.push(at(format!("not UTF-8 at byte {offset}")));
                Ok(String::new())
            }
        }
    }

    /// Resolves all that a unit asks for.
    fn follow(&mut self, index: usize) -> Result<(), Diagnostic> {
        let (imports, requires) = match &mut self.units[index].content {
            Content::Module(module) => (std::mem::take(&mut module.requests), Vec::new()),
            Content::CommonJs(module) => {
                (std::mem::take(&mut module.imports), std::mem::take(&mut module.requires))
            }
            Content::Json(_) | Content::Broken => return Ok(()),
        };
        for request in &imports {
            if let Some(target) = self.target(index, request, Manner::Import)? {
                self.units[index].imports.insert(request.specifier.clone(), target);
                if let Content::CommonJs(_) = self.units[target].content {
                    let names = request.names.iter().map(|(name, _)| name.clone());
                    self.units[target].facade.get_or_insert_default().extend(names);
                }
            }
        }
        for request in &requires {
            if let Some(target) = self.target(index, request, Manner::Require)? {
                self.units[index].requires.insert(request.specifier.clone(), target);
            }
        }
        let unit = &mut self.units[index];
        match &mut unit.content {
            Content::Module(module) => {
                module.requests = imports;
                if unit.own {
                    for &offset in &module.computed {
                        let (line, column) = position::line_column(&unit.source, offset);
                        self.warnings.push(format!(
                            "{}:{line}:{column}: import() of anything but a literal finds only \
                             modules that are in the artifact's graph for another reason",
                            unit.name
                        ));
                    }
                }
            }
            Content::CommonJs(module) => (module.imports, module.requires) = (imports, requires),
            Content::Json(_) | Content::Broken => {}
        }
        Ok(())
    }

    /// The unit that a request means. `None` when there is none, which has then been reported.
    fn target(
        &mut self,
        index: usize,
        request: &Request,
        manner: Manner,
    ) -> Result<Option<usize>, Diagnostic> {
        if let Some(kind) = request.kind.as_deref().filter(|kind| *kind != "json") {
            let message = format!("the js runtime cannot import `type: \"{kind}\"`");
            let help = "it imports modules and JSON; text can be a string in a module";
            let unit = &self.units[index];
            let fault = position::at(message, &unit.name, &unit.source, request.at).help(help);
            self.faults.push(fault);
            return Ok(None);
        }
        let directory = self.units[index].path.parent().unwrap_or(&self.root);
        match self.resolver.resolve(directory, &request.specifier, manner) {
            Ok(Target::File(file)) => self.add(file, Some((index, request.at))).map(Some),
            Ok(Target::Empty) => Ok(Some(self.empty((index, request.at)))),
            Err(failure) => {
                let fault = self.unresolved(index, request, failure);
                let own_import = self.units[index].own && manner == Manner::Import;
                if request.urgency == Urgency::Needed || own_import {
                    self.faults.push(fault);
                } else {
                    self.warnings.push(format!("{fault}; it fails if the function gets there"));
                }
                Ok(None)
            }
        }
    }

    fn assemble(self, entry: usize) -> ModuleGraph {
        let mut cores = Vec::with_capacity(self.units.len());
        let mut facades = Vec::with_capacity(self.units.len());
        let mut count = 0;
        for unit in &self.units {
            cores.push(count);
            let faced = unit.facade.is_some() && matches!(unit.content, Content::CommonJs(_));
            count += usize::from(faced);
            facades.push(count);
            count += 1;
        }
        let kinds: Vec<Required> = self
            .units
            .iter()
            .map(|unit| match unit.content {
                Content::CommonJs(_) => Required::Core,
                Content::Json(_) => Required::Json,
                Content::Module(_) | Content::Broken => Required::Module,
            })
            .collect();
        let mut modules = Vec::with_capacity(count);
        for (index, unit) in self.units.into_iter().enumerate() {
            let mut imports: BTreeMap<String, usize> = unit
                .imports
                .into_iter()
                .map(|(specifier, target)| (specifier, facades[target]))
                .collect();
            let (source, map) = match unit.content {
                Content::Module(module) => (module.rewritten.unwrap_or(unit.source), module.map),
                Content::Json(source) => (source, None),
                Content::Broken => (String::new(), None),
                Content::CommonJs(_) => {
                    let requires: Vec<_> = unit
                        .requires
                        .iter()
                        .map(|(specifier, &target)| (specifier.as_str(), kinds[target]))
                        .collect();
                    imports.extend(unit.requires.iter().map(|(specifier, &target)| {
                        (commonjs::require_specifier(specifier), cores[target])
                    }));
                    (commonjs::core(&unit.name, &unit.source, &requires), None)
                }
            };
            let faced = facades[index] != cores[index];
            let facade = faced.then(|| Module {
                name: format!("{}?esm", unit.name),
                source: commonjs::facade(unit.facade.iter().flatten().map(String::as_str)),
                map: None,
                imports: BTreeMap::from([(commonjs::CORE.to_owned(), cores[index])]),
            });
            modules.push(Module { name: unit.name, source, map, imports });
            modules.extend(facade);
        }
        ModuleGraph { entry: facades[entry], modules, warnings: self.warnings }
    }
}
