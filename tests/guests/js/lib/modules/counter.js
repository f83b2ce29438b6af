export let count = 0;
export function increment() {
  count += 1;
  return count;
}
export default class Counter {
  value = 7;
}
export { increment as "a name with spaces" };
