# Makes hello.wasm of hello.js.
set -e
# WASI's interfaces come with the tools. The JavaScript engine is of 0.2.10, and knows no unstable ones.
rm -rf wit/deps
cp -r node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12 wit/deps
sed -i 's/0\.2\.12/0.2.10/; /@unstable(feature = network-error-code)/d' wit/deps/*/package.wit
npx componentize-js hello.js --wit wit -o hello.wasm
