// Who may import whom. Each rule's comment is what a person who broke it gets to read.

/** Notifications are none, and know as little. */
const plugins = '(?:(?:agent|uploader|repository)-[^/]+|notifications)'
/** A package of this repository, found as a folder or, where it is not declared as a dependency, by its bare name. */
const anyPackage = '^(?:packages|@backup-planet)/'
const vitest = '(?:^|/)node_modules/vitest/|^vitest(?:/|$)'

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'contracts-stand-alone',
      comment:
        'contracts are what every plugin of every author is compiled against: they import nothing outside of their own folder, so that nothing else can change them by changing itself. Move what they need into packages/core/src/contracts, as types.',
      severity: 'error',
      from: { path: '^packages/core/src/contracts/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^packages/core/src/contracts/' },
    },
    {
      name: 'plugins-know-only-core',
      comment:
        'a plugin that imports another plugin cannot be replaced by somebody else’s: a plugin imports @backup-planet/core and no sibling. What two plugins share belongs into core.',
      severity: 'error',
      from: { path: `^packages/(${plugins})/` },
      to: { path: anyPackage, pathNot: '^(?:packages|@backup-planet)/(?:$1|core|tooling)(?:/|$)' },
    },
    {
      name: 'core-knows-no-plugin',
      comment:
        'core works with every plugin because it knows none: it speaks to agents, uploaders and repositories through contracts only.',
      severity: 'error',
      from: { path: '^packages/core/' },
      to: { path: anyPackage, pathNot: '^(?:packages|@backup-planet)/(?:core|tooling)(?:/|$)' },
    },
    {
      name: 'nobody-knows-the-command',
      comment: 'the command line is one user of the libraries among others: what it needs from them they must offer to everybody.',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/cli/' },
      to: { path: '^(?:packages|@backup-planet)/cli(?:/|$)' },
    },
    {
      name: 'through-the-front-door',
      comment:
        'another package is imported by its name and a published entry, never by a path into its folders: users of the published packages could not do that either.',
      severity: 'error',
      from: { path: '^(packages/[^/]+|examples|proofs)/' },
      to: {
        path: '^packages/[^/]+/',
        pathNot:
          '^$1/|^packages/[^/]+/src/(?:index|memory/discarded-bytes|testing/index|conformance/index)\\.ts$|/(?:package|(?:manifest|drill-evidence)\\.schema)\\.json$',
      },
    },
    {
      name: 'vitest-in-conformance-only',
      comment:
        'vitest throws when it is imported outside of a test run, so one import of it in a library breaks every program that uses the library. Only tests and packages/core/src/conformance may.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '^packages/core/src/conformance/|\\.test\\.ts$' },
      to: { path: vitest },
    },
    {
      name: 'conformance-stays-outside',
      comment: 'the conformance suites import vitest: only tests and their fixtures may import them.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '^packages/core/src/conformance/|\\.test\\.ts$|/__fixtures__/' },
      to: { path: '^packages/core/src/conformance/|^@backup-planet/core/conformance$' },
    },
    {
      name: 'sources-without-tests',
      comment:
        'tests, their fixtures, end-to-end suites and tooling are not published: a source that imports them works here and fails at its users.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '\\.test\\.ts$|/__fixtures__/' },
      to: { path: '\\.test\\.ts$|/__fixtures__/|^packages/[^/]+/e2e/|^(?:tooling|examples|benchmarks|proofs)/|^@backup-planet/tooling' },
    },
    {
      name: 'declared-dependencies',
      comment:
        'a published source may import only what its package.json lists under dependencies: a development dependency is there on this machine and missing at its users.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '\\.test\\.ts$|/__fixtures__/|^packages/core/src/conformance/' },
      to: { pathNot: '^packages/', dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'undetermined', 'unknown'] },
    },
    {
      name: 'no-circle',
      comment: 'two files that import each other are one thing in two files: move what both need into a third.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    exclude: { path: ['/dist/', '(?:^|/)\\.cache/'] },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@backup-planet/source', 'types', 'import', 'node', 'default'],
    },
  },
}
