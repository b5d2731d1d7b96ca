export { readSafetensorsHeader, type SafeTensor } from './header.js';
export { readSafetensors } from './read.js';
export { encodeSafetensors, type TensorValues } from './write.js';
