// Bundles the dashboard's files into one folder: hashed names, packed forms beside them, a manifest, the licences.
import { build } from 'esbuild'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const out = process.argv[2]
const PACKED = /\.(js|css|svg)$/

async function main() {
  await rm(out, { recursive: true, force: true })
  await mkdir(out, { recursive: true })
  const { metafile } = await build({
    entryPoints: [
      { in: 'ui/main.ts', out: 'main' },
      { in: 'ui/main.css', out: 'main' },
      { in: 'ui/icon.svg', out: 'icon' },
    ],
    outdir: out,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    metafile: true,
    sourcemap: 'linked',
    legalComments: 'none',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: { '.svg': 'copy', '.woff2': 'copy' },
  })
  for (const name of await readdir(out)) if (PACKED.test(name)) await pack(join(out, name))
  await writeFile(join(out, 'LICENSES.txt'), await licences(Object.keys(metafile.inputs)))
  await writeFile(join(out, 'manifest.json'), JSON.stringify(named(metafile.outputs), null, 1) + '\n') // last: now it is whole
}

// `main.js` -> `main-OLGAX72N.js`.
function named(outputs) {
  const files = Object.keys(outputs).map((path) => basename(path)).filter((name) => !name.endsWith('.map')).sort()
  return Object.fromEntries(files.map((name) => [name.replace(/-[A-Z0-9]{8}(?=\.\w+$)/, ''), name]))
}

async function pack(path) {
  const body = await readFile(path)
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }
  await writeFile(`${path}.br`, brotliCompressSync(body, quality))
  await writeFile(`${path}.gz`, gzipSync(body, { level: 9 }))
}

// The licence of every package that went in; one without a licence file stops the build.
async function licences(inputs) {
  const found = inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean)
  const told = [...new Set(found)].sort().map(async (name) => {
    const folder = join('node_modules', name)
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry))
    if (!file) throw new Error(`${name} has no licence file`)
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    return `${name} ${version}\n\n${(await readFile(join(folder, file), 'utf8')).trim()}\n`
  })
  return (await Promise.all(told)).join(`\n${'-'.repeat(80)}\n\n`)
}

await main()
