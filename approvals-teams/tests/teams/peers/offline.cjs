// Keeps a Node.js program on this machine: the login service is the stand-in that `LOGIN` names, and
// every other host is refused.
const http = require('http')
const https = require('https')

const stand = new URL(process.env.LOGIN || 'http://127.0.0.1:9')
const local = host => ['127.0.0.1', 'localhost', '::1'].includes(host)
const redirect = (host, path) => {
  const login = host === 'login.microsoftonline.com' || host === 'login.botframework.com'
  // Microsoft has its keys below each tenant, and an old tenant for bots.
  const own = path.replace(/^\/botframework\.com\//, `/${process.env.TENANT}/`).replace(/^\/[^/]+(\/discovery\/v2\.0\/keys)/, '$1')
  return login ? { host: stand.hostname, port: stand.port, path: own } : { host: '127.0.0.1', port: 9, path: '/' }
}
https.request = (first, second, third) => {
  const url = typeof first === 'string' ? new URL(first) : first instanceof URL ? first : null
  const options = url ? { hostname: url.hostname, path: url.pathname + url.search, ...(typeof second === 'object' ? second : {}) } : { ...first }
  const done = [second, third].find(it => typeof it === 'function')
  const to = redirect(options.hostname || options.host, options.path || '/')
  const headers = Object.fromEntries(Object.entries(options.headers || {}).filter(([name]) => name.toLowerCase() !== 'host'))
  return http.request({ ...options, protocol: 'http:', host: to.host, hostname: to.host, port: to.port, path: to.path, agent: undefined, headers }, done)
}
https.get = (...given) => {
  const request = https.request(...given)
  request.end()
  return request
}
const direct = globalThis.fetch
globalThis.fetch = (target, options) => {
  const url = new URL(typeof target === 'string' ? target : target.url || String(target))
  if (local(url.hostname)) return direct(target, options)
  const to = redirect(url.hostname, url.pathname + url.search)
  return direct(`http://${to.host}:${to.port}${to.path}`, options)
}
