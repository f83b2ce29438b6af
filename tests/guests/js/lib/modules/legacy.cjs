const { twice } = require("./helper.cjs");
exports.four = twice(2);
exports.here = typeof module.exports === "object" && typeof require === "function";
