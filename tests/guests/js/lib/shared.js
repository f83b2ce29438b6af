// A second module's state.
export const shared = [];
