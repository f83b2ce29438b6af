// The other of two functions that take turns on the same slots; see one.js.
import { turn } from "../js/lib/turn.js";
const ballast = Array.from({ length: 5000 }, (_, at) => ({ at, text: `ballast ${at}` }));
export default { fetch: turn("two", ballast) };
