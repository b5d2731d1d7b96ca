export { POOLED } from '../pooled.js';
