export type { LazyTensor, Tensor } from './document.js';
export { StateStore, type StateStoreOptions } from './stateStore.js';
