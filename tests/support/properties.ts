import fc from 'fast-check';

// Properties are checked on the same examples in every run; another seed is one environment variable away.
fc.configureGlobal({ seed: Number(process.env.FEDTUNE_TEST_SEED ?? 1) });

export default fc;
