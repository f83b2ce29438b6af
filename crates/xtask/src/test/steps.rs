//! The steps, the quick ones first.

use super::Step;
use super::tools::Tool;
use crate::shell::{cargo, command, npm_ci, root, run, which};
use crate::{bench, js_engine, wasm};

pub(super) const ALL: &[Step] = &[
    Step {
        name: "format",
        what: "sources are as rustfmt writes them",
        needs: &[Tool::Rustfmt],
        run: || run(cargo().args(["fmt", "--all", "--", "--check"])),
    },
    Step {
        name: "js-engine",
        what: "the engine's module is the one of its sources",
        needs: &[],
        run: js_engine::check,
    },
    Step {
        name: "js",
        what: "the Web API layers of `js` and `nodejs` do what Node's does",
        needs: &[Tool::Node],
        run: js,
    },
    Step {
        name: "deny",
        what: "licences, sources and versions of dependencies",
        needs: &[Tool::CargoDeny],
        // Not `advisories`, because that needs a database from the network: it would make a test
        // fail for what somebody published today.
        run: || run(cargo().args(["deny", "check", "bans", "licenses", "sources"])),
    },
    Step {
        name: "clippy",
        what: "lints of all targets",
        needs: &[Tool::CCompiler, Tool::Clippy],
        run: || {
            let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
            run(cargo().args(lints))
        },
    },
    Step {
        name: "wasm",
        what: "the components that the tests run compile",
        needs: &[Tool::WasmTarget, Tool::Python],
        run: wasm::run,
    },
    Step {
        name: "tests",
        what: "unit and integration tests",
        needs: &[Tool::CCompiler, Tool::Node, Tool::Python, Tool::Ruby, Tool::Postgres],
        run: tests,
    },
    Step {
        name: "bench",
        what: "benches run, and every answer in them is right",
        needs: &[
            Tool::CCompiler,
            Tool::Node,
            Tool::Python,
            Tool::Ruby,
            Tool::WasmTarget,
            Tool::Wrk,
        ],
        run: bench::smoke,
    },
    Step {
        name: "doctests",
        what: "examples in the documentation",
        needs: &[Tool::CCompiler],
        run: || run(cargo().args(["test", "--workspace", "--doc"])),
    },
    Step {
        name: "docs",
        what: "the documentation builds without a warning",
        needs: &[Tool::CCompiler],
        run: || {
            let mut cargo = cargo();
            run(cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step {
        name: "fuzz",
        what: "fuzz targets compile",
        needs: &[Tool::CCompiler],
        run: || run(cargo().args(["check", "--bins"]).current_dir(root().join("fuzz"))),
    },
];

fn js() -> anyhow::Result<()> {
    let guest = root().join("guest/js-engine");
    npm_ci(&guest)?;
    // Its tests build the layer first.
    run(command("npm", &guest).arg("test"))?;
    let tests = ["light", "node"].map(|name| format!("guest/bootstraps/{name}.test.mjs"));
    run(command("node", root()).arg("--test").args(tests))
}

fn tests() -> anyhow::Result<()> {
    if which("cargo-nextest").is_some() {
        return run(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]));
    }
    run(cargo().args(["test", "--workspace", "--all-targets", "--no-fail-fast"]))
}
