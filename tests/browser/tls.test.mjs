// The market feed's page over https://, its feed over wss://.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { launch, open, startServer } from './browser.mjs';

const PATIENCE = 45_000; // ms: until something that must happen counts as not happening

test('the page and its feed work over TLS', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tickwire-tls-'));
  const [certificate, key] = [join(directory, 'server.pem'), join(directory, 'server.key')];
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', key, '-out', certificate,
  ], { stdio: 'ignore' });
  // Nobody has issued it: the browser is told to believe this key and no other.
  const spki = new X509Certificate(readFileSync(certificate)).publicKey.export({ type: 'spki', format: 'der' });
  const pin = createHash('sha256').update(spki).digest('base64');
  const flags = ['--tls-cert', certificate, '--tls-key', key];
  const server = await startServer(process.env.MARKET_FEED_BIN, '127.0.0.1:0', flags, 'https');
  const browser = await launch([`--ignore-certificate-errors-spki-list=${pin}`]);
  try {
    const { page, complaints, requests, close } = await open(browser, server.url);
    for (const selector of ['connection-state"][data-state="live', 'book-seal"][data-state="verified']) {
      await page.locator(`[data-testid="${selector}"]`).waitFor({ state: 'attached', timeout: PATIENCE });
    }
    assert.ok(requests.some((url) => url.startsWith('wss://')), requests.join(' '));
    assert.equal(await page.evaluate(() => location.protocol), 'https:');
    assert.deepEqual(complaints, []);
    await close();
  } finally {
    await browser.close();
    await server.kill();
    rmSync(directory, { recursive: true });
  }
});
