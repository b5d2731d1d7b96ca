import { z } from 'zod';

const count = z.int().positive();

const MODULES = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;
/** The same by their names in GGUF files. */
const GGUF_MODULES = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'] as const;

/** Of bases that keep q, k and v, or gate and up, in one layer. */
const FUSED_MODULES = ['qkv_proj', 'gate_up_proj', 'attn_qkv', 'ffn_gate_up'] as const;

/** Local optimisation, the adapter and the engine. */
export const trainingKeys = {
  local_steps: count.nullable().default(null).describe('Optimizer steps a client and round; null: by `local_epochs`.'),
  local_epochs: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Passes over a client's examples a round; null: 1, where `local_steps` and `total_steps` are null too."),
  total_steps: count
    .nullable()
    .default(null)
    .describe(
      'Optimizer steps of a client over all rounds, split evenly among them, instead of steps or epochs a round.',
    ),
  batch_size: count.max(65_536).default(4).describe('Examples a micro-batch.'),
  gradient_accumulation_steps: count.max(65_536).default(1).describe('Micro-batches an optimizer step.'),
  learning_rate: z.number().positive().max(10).default(1e-3).describe('Peak learning rate of AdamW.'),
  lr_scheduler: z
    .enum(['constant', 'linear', 'cosine'])
    .default('constant')
    .describe('Course of the learning rate over all rounds.'),
  warmup_ratio: z.number().min(0).max(1).default(0).describe('Share of all steps over which the learning rate rises.'),
  optimizer_state: z
    .enum(['fresh', 'keep'])
    .nullable()
    .default(null)
    .describe("AdamW's moments at a client's next round: fresh, or kept; null: kept by `local` and `centralized`."),
  weight_decay: z.number().min(0).max(1).default(0).describe('Decoupled weight decay.'),
  max_grad_norm: z.number().min(0).default(1).describe('Clip the gradient to this norm; 0: never.'),
  lora_r: count.max(1024).default(8).describe('LoRA rank.'),
  lora_alpha: z.number().positive().default(16).describe('LoRA alpha; the scale is alpha / rank.'),
  lora_dropout: z.number().min(0).max(0.95).default(0).describe('Dropout on the input of A.'),
  use_rslora: z.boolean().default(false).describe('Scale alpha / sqrt(rank) instead.'),
  target_modules: z
    .array(z.enum([...MODULES, ...GGUF_MODULES, ...FUSED_MODULES]))
    .min(1)
    .default([...MODULES])
    .describe('Linear layers to adapt (`q_proj` or `attn_q`, ...; `qkv_proj`, `gate_up_proj` where these are one).'),
  precision: z
    .enum(['int8', 'f32', 'int4'])
    .default('int8')
    .describe('How the base is kept; f32 is the reference, int4 for bases of 1 to 3 billion parameters in 8 GB.'),
  kernels: z
    .enum(['auto', 'amx', 'avx512bf16', 'vnni', 'avxvnni', 'avx2', 'i8mm', 'neon', 'portable'])
    .default('auto')
    .describe('Kernel set; `auto` takes the best of this processor.'),
  runtime: z
    .enum(['threads', 'processes', 'nats'])
    .default('threads')
    .describe(
      'Where owners work: in worker threads that share one base, each in a process of its own, or on machines of their own over NATS (see `federation`); the same bits either way.',
    ),
  federation: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Folder of the federation whose owners take part with their own data (`runtime: nats`).'),
  workers: count
    .max(1024)
    .nullable()
    .default(null)
    .describe('Worker threads, each training one client at a time; null: one a core.'),
  threads: count
    .max(64)
    .nullable()
    .default(null)
    .describe('Compute threads a worker; null: the cores divided by the workers.'),
  checkpointing: z
    .boolean()
    .default(false)
    .describe('Recompute activations in the backward pass: less memory, more time.'),
  seed: z.int().min(0).max(0xffff_ffff).default(42).describe('Seed of everything that is drawn.'),
  output_dir: z.string().min(1).default('runs/fedtune').describe("The run's folder."),
};
