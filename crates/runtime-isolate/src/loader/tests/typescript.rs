//! TypeScript and JSX.

use super::{fault, graph};

fn compiled(source: &str) -> String {
    graph(&[("index.ts", source)]).modules.remove(0).source
}

#[test]
fn types_leave_nothing_behind() {
    let out = compiled(
        "interface A { x: number }\ntype B<T> = T | null;\ndeclare const c: string;\n\
         export function id<T extends A>(value: T, other?: B<T>): T { return value as T }\n\
         export const made = { x: 1 } satisfies A;\nexport const sure = id(made)!.x;\n\
         abstract class D<T> { declare e: T; abstract f(): void; private g?: number = 1 }\n\
         function over(a: string): void;\nfunction over(a: any) {}\nexport { D, over };",
    );
    for gone in ["interface", "type ", "declare", "satisfies", " as ", "abstract", "private", ": "]
    {
        let rest = out.replace("x: 1", "");
        assert!(!rest.contains(gone), "{gone:?} in {out}");
    }
    assert!(out.contains("export function id(value, other)"), "{out}");
}

#[test]
fn enums_namespaces_and_parameter_properties_become_javascript() {
    let out = compiled(
        "export enum Level { Low = 1, High }\nexport const enum Flag { On = 'on' }\n\
         export namespace Tools { export const one = Flag.On }\n\
         export class Point { constructor(readonly x: number, private y = 2) {} }",
    );
    assert!(out.contains("Level[Level[\"High\"] = 2] = \"High\""), "{out}");
    assert!(out.contains("this.x = x;") && out.contains("this.y = y;"), "{out}");
    assert!(out.contains("Tools.one") || out.contains("_Tools.one"), "{out}");
}

#[test]
fn names_that_are_types_are_not_imported() {
    let graph = graph(&[
        (
            "index.ts",
            "import type { A } from 'types-only';\nimport { type B, c } from './lib';\n\
             import { D, e } from './lib';\nimport { F } from 'also-types-only';\n\
             import './effect';\nimport { unused } from './other';\n\
             export type { G } from './types';\nexport * from './more';\n\
             export default (a: A, b: B, d: D, f: F) => c(e);",
        ),
        (
            "lib.ts",
            "export type B = 1; export interface D {}; export const c = (x: number) => x, e = 1",
        ),
        ("effect.ts", "globalThis.x = 1"),
        ("other.ts", "export const unused = 1"),
        ("more.ts", "export interface H {}"),
    ]);
    let source = &graph.named("index.ts").source;
    assert!(source.contains("import { c } from \"./lib\""), "{source}");
    assert!(source.contains("import { e } from \"./lib\""), "{source}");
    assert!(!source.contains("types"), "{source}");
    assert!(graph.names().contains(&"other.ts"), "an unused import still runs its module");
    assert!(graph.names().contains(&"effect.ts"));
}

#[test]
fn a_type_that_is_imported_as_a_value_says_how_to_mark_it() {
    let fault = fault(&[
        ("index.ts", "import { Shape } from './lib';\nexport { Shape };"),
        ("lib.ts", "export interface Shape {}"),
    ]);
    assert_eq!(fault.to_string(), "index.ts:1:10: `./lib` does not export `Shape`");
    let help = "if it is a type, mark it: `type Shape`; the values are in lib.ts";
    assert_eq!(fault.help.as_deref(), Some(help));
}

#[test]
fn import_attributes_do_not_reach_the_engine() {
    let graph = graph(&[
        (
            "index.ts",
            "import a from './a.json' with { type: 'json' };\n\
             export const b = () => import('./a.json', { with: { type: 'json' } }), c: number = a;",
        ),
        ("a.json", "1"),
    ]);
    let source = &graph.named("index.ts").source;
    assert!(!source.contains("with"), "{source}");
    assert_eq!(graph.meaning("index.ts", "./a.json"), "a.json");
}

#[test]
fn decorators_are_an_error() {
    let fault = fault(&[("index.ts", "const log = (x: any) => x;\nclass A { @log run() {} }")]);
    assert_eq!(fault.to_string(), "index.ts:2:11: the js runtime has no decorators");
    assert_eq!(fault.source.as_deref(), Some("class A { @log run() {} }"));
}

#[test]
fn jsx_imports_the_runtime_that_the_pragma_names() {
    let graph = graph(&[
        ("index.tsx", "/** @jsxImportSource hono/jsx */\nexport default (n: string) => <p>{n}</p>"),
        (
            "node_modules/hono/package.json",
            r#"{"type":"module","exports":{"./jsx/jsx-runtime":"./r.js"}}"#,
        ),
        ("node_modules/hono/r.js", "export const jsx = () => {}"),
    ]);
    assert_eq!(graph.meaning("index.tsx", "hono/jsx/jsx-runtime"), "node_modules/hono/r.js");
    assert!(!graph.named("index.tsx").source.contains("<p>"));
}

#[test]
fn jsx_without_a_pragma_is_for_react() {
    let fault = fault(&[("index.jsx", "export default () => <p/>")]);
    assert_eq!(fault.message, "the package `react` is not in the artifact");
    let help = fault.help.unwrap();
    assert!(help.contains("npm install react") && help.contains("@jsxImportSource"), "{help}");
}

#[test]
fn typescript_in_packages_is_taken_too() {
    let graph = graph(&[
        ("index.ts", "import { a } from 'p'; console.log(a)"),
        ("node_modules/p/package.json", r#"{"exports":"./src/index.ts"}"#),
        ("node_modules/p/src/index.ts", "export const a: number = 1"),
    ]);
    assert_eq!(graph.named("node_modules/p/src/index.ts").source, "export const a = 1;\n");
}
