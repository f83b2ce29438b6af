// mayfly: timeout = "20s"
// Computes until its caller leaves or its timeout comes.
export default {
  fetch() {
    console.log("burning");
    for (;;);
  },
};
