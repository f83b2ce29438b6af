import { Blob, blobBytes, fileOf, isBlob, isFile } from "./blob.js";
import { defineInterface, definePairIterable, needArguments, setLengths, toUSVString } from "./webidl.js";

let listOf;
export let isFormData;

export class FormData {
  #entries = []; // [name, string or File]
  constructor(form = undefined) {
    if (form !== undefined) throw new TypeError("FormData: there are no form elements here; call it without arguments");
  }
  append(name, value, filename = undefined) {
    const entries = this.#entries;
    needArguments(arguments.length, 2, "FormData.append");
    entries.push([toUSVString(name), entryValue(value, filename, arguments.length > 2)]);
  }
  delete(name) {
    const entries = this.#entries;
    needArguments(arguments.length, 1, "FormData.delete");
    const key = toUSVString(name);
    this.#entries = entries.filter((entry) => entry[0] !== key);
  }
  get(name) {
    const entries = this.#entries;
    needArguments(arguments.length, 1, "FormData.get");
    const key = toUSVString(name);
    return entries.find((entry) => entry[0] === key)?.[1] ?? null;
  }
  getAll(name) {
    const entries = this.#entries;
    needArguments(arguments.length, 1, "FormData.getAll");
    const key = toUSVString(name);
    return entries.filter((entry) => entry[0] === key).map((entry) => entry[1]);
  }
  has(name) {
    const entries = this.#entries;
    needArguments(arguments.length, 1, "FormData.has");
    const key = toUSVString(name);
    return entries.some((entry) => entry[0] === key);
  }
  set(name, value, filename = undefined) {
    const entries = this.#entries;
    needArguments(arguments.length, 2, "FormData.set");
    const key = toUSVString(name);
    const entry = [key, entryValue(value, filename, arguments.length > 2)];
    const first = entries.findIndex((other) => other[0] === key);
    if (first < 0) {
      entries.push(entry);
      return;
    }
    entries[first] = entry;
    this.#entries = entries.filter((other, index) => index <= first || other[0] !== key);
  }
  static {
    listOf = (form) => form.#entries;
    isFormData = (value) => typeof value === "object" && value !== null && #entries in value;
  }
}
defineInterface(FormData, "FormData", 0);
setLengths(FormData.prototype, { append: 2, set: 2 });
definePairIterable(FormData, "FormData", (form) => listOf(form));

/** [[name, string or File], ...]; the parser of multipart bodies adds to it. */
export const formEntries = (form) => listOf(form);

function entryValue(value, filename, named) {
  if (!isBlob(value)) {
    if (named) throw new TypeError("FormData: a value with a file name must be a Blob");
    return toUSVString(value);
  }
  if (isFile(value) && filename === undefined) return value;
  const name = filename === undefined ? "blob" : toUSVString(filename);
  return fileOf(blobBytes(value), name, typeOf(value), isFile(value) ? value.lastModified : undefined);
}

const typeOf = (blob) => Reflect.apply(typeGetter, blob, []);
const typeGetter = Object.getOwnPropertyDescriptor(Blob.prototype, "type").get;
