// The library of certificates finds its parts by it.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;

const makeKeys = () =>
  webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', key);
  return x509.PemConverter.encode(bytes, 'PRIVATE KEY');
}

/** Certificates and keys, as PEM. */
export interface Certificates {
  /** What owners trust: of a key that is used once, for the server's certificate, and kept nowhere. */
  readonly ca: string;
  readonly server: string;
  readonly serverKey: string;
}

/** An authority of this federation alone, and its server's certificate for these host names and addresses. Valid for ten years. */
export async function makeCertificates(
  name: string,
  hosts: readonly string[],
  now = new Date(),
): Promise<Certificates> {
  x509.cryptoProvider.set(webcrypto as never);
  const ca = await makeKeys();
  const server = await makeKeys();
  const dates = {
    // Clocks differ.
    notBefore: new Date(now.getTime() - DAY_MS),
    notAfter: new Date(now.getTime() + VALID_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
  };
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...dates,
    name: [{ CN: [`fedtune ${name}`] }],
    keys: ca,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  const names = hosts.map((host) => ({ type: isIP(host) ? ('ip' as const) : ('dns' as const), value: host }));
  const certificate = await x509.X509CertificateGenerator.create({
    ...dates,
    subject: [{ CN: [hosts[0]!] }],
    issuer: authority.subjectName,
    publicKey: server.publicKey,
    signingKey: ca.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  return {
    ca: authority.toString('pem'),
    server: certificate.toString('pem'),
    serverKey: await privatePem(server.privateKey),
  };
}
