// A certificate authority made for one run, and a certificate of its for the given names.

import { execFileSync } from 'node:child_process'
import { X509Certificate, createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  certFile: string
  keyFile: string
  /** What Chromium is told to trust: the hash of the server's public key, and no other. */
  fingerprint: string
}

/** Makes `names` a certificate that is good for a day. */
export function certificateFor(names: string[]): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'streamspace-tls-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  const file = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...key, '-days', '1', '-subj', '/CN=Stories CA', '-keyout', 'ca.key', '-out', 'ca.pem')
  openssl('req', ...key, '-subj', `/CN=${names[0] ?? ''}`, '-keyout', 'key.pem', '-out', 'request.pem')
  writeFileSync(file('extensions'), `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n`)
  const ca = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', 'extensions']
  openssl('x509', '-req', '-in', 'request.pem', ...ca, '-out', 'cert.pem')
  const publicKey = new X509Certificate(readFileSync(file('cert.pem'))).publicKey.export({ type: 'spki', format: 'der' })
  return {
    certFile: file('cert.pem'),
    keyFile: file('key.pem'),
    fingerprint: createHash('sha256').update(publicKey).digest('base64'),
  }
}
