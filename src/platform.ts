/** Whether this Node runs on musl's C library (Alpine), for which programs of glibc are none. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  // Else it asks name servers.
  report.excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
}

/** As npm's packages for a platform are called: linux-x64, linux-x64-musl. `scripts/build-native.mjs` says the same. */
export const platform = `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
