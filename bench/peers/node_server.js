// Node's `soap` on the published WSDL: objects in, JSON out. Arguments: port, WSDL file.
const fs = require('fs'), http = require('http'), soap = require('soap');
const [port, wsdl] = process.argv.slice(2);
const answer = (message) => ({ infcode: '0', msgid: JSON.stringify(message).length ? '0'.repeat(30) : '' });
const operations = { Txn2401: answer, Txn2301: answer };
const service = { Inpatient: { InpatientSoap: operations, InpatientSoap12: operations } };
const server = http.createServer((request, response) => response.end('404'));
server.listen(Number(port), '127.0.0.1', () =>
  soap.listen(server, '/soap/inpatient', service, fs.readFileSync(wsdl, 'utf8')));
