// Lives the lives of lives.json by Okta's SDK for Node, against the org at a URL.
//
//   node lives.mjs MODULES URL TOKEN
//
// MODULES is the folder in which npm installed the SDK. Prints a line for each life; ends
// with 1 if one failed.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [modules, orgUrl, token] = process.argv.slice(2);
const okta = createRequire(join(modules, 'package.json'))('@okta/okta-sdk-nodejs');
const client = new okta.Client({
  orgUrl,
  token,
  testing: { disableHttpsCheck: true },
  cacheMiddleware: null,
});

const at = (object, path) => path.split('.').reduce((value, key) => value?.[key], object);

// operations reads the names: a service, six operations, the body's name or those at
// creation and at replacement, and the id's.
function operations(names) {
  const [service, ...rest] = names.split(' ');
  const [create, get, list, replace, prepare, remove, body, id] = rest.map((name) => (name === '-' ? null : name));
  const [created, replaced = created] = body.split('/');
  return { service, create, get, list, replace, prepare, remove, created, replaced, id };
}

async function all(collection) {
  const found = [];
  await collection.each((element) => found.push(element));
  return found;
}

async function gone(read) {
  try {
    await read();
  } catch (error) {
    if (error.status === 404) return;
    throw error;
  }
  throw new Error('it is there after its end');
}

function named(object, body, field) {
  if (at(object, field) !== at(body, field)) {
    throw new Error(`${field} is ${at(object, field)}, not ${at(body, field)}`);
  }
}

async function live(life) {
  const ops = operations(life.node);
  const run = (operation, more) => client[ops.service][operation]({ ...Object.fromEntries(life.within ?? []), ...more });
  const made = await run(ops.create, { [ops.created]: life.body });
  const key = { [ops.id]: at(made, life.id ?? 'id') };
  named(made, life.body, life.field);
  named(await run(ops.get, key), life.body, life.field);
  if (ops.list) {
    const listed = await run(ops.list, {});
    if (typeof listed.each === 'function') await all(listed);
  }
  if (ops.replace) named(await run(ops.replace, { ...key, [ops.replaced]: life.next }), life.next, life.field);
  if (ops.prepare) await run(ops.prepare, key);
  if (!ops.remove) return;
  await run(ops.remove, key);
  await gone(() => run(ops.get, key));
}

const group = await client.groupApi.createGroup({ group: { profile: { name: 'Made for rules by Node' } } });
const text = readFileSync(new URL('lives.json', import.meta.url), 'utf8').replaceAll('$group', group.id);
let failed = false;
for (const life of JSON.parse(text).filter((l) => l.node)) {
  try {
    await live(life);
    console.log(`passed ${life.name}`);
  } catch (error) {
    failed = true;
    console.log(`failed ${life.name}: ${error.stack}`);
  }
}
process.exitCode = failed ? 1 : 0;
