// The story of README.md told by Node's `soap`: node client.mjs BASE SOAP DAY  A(psn certno insutype ipt)  B(...)
// The string service is called with JSON text here, with XML text by the other clients.
import soap from "soap";

const [base, version, day, ...rest] = process.argv.slice(2);
const patients = [rest.slice(0, 4), rest.slice(4, 8)];
const head = { opter: "0001", opter_name: "张三", opter_type: "1" };

const client = (service) =>
  soap.createClientAsync(`${base}/soap/${service}?wsdl`, { forceSoap12Headers: version === "1.2" });

function diagnosis(psn_no, number, diag_code, diag_name) {
  return {
    psn_no, diag_type: "1", maindiag_flag: number === 1 ? "1" : "0", diag_srt_no: String(number), diag_code, diag_name,
    diag_dept: "A01", dise_dor_no: "D001", dise_dor_name: "欧阳修远", diag_time: `${day} 09:40:00`,
  };
}

function admission([psn_no, certno, insutype, ipt_no]) {
  return {
    mdtrtinfo: {
      psn_no, insutype, coner_name: "李四", tel: "13800000000", begntime: `${day} 09:30:00`, mdtrt_cert_type: "02",
      mdtrt_cert_no: certno, med_type: "21", ipt_no, atddr_no: "D001", chfpdr_name: "欧阳修远", adm_diag_dscr: "急性阑尾炎",
      adm_dept_codg: "A01", adm_dept_name: "普通外科", adm_bed: "12床", dscg_maindiag_code: "K35.800",
      dscg_maindiag_name: "急性阑尾炎",
    },
    diseinfo: [diagnosis(psn_no, 1, "K35.800", "急性阑尾炎"), diagnosis(psn_no, 2, "I10.x00", "高血压病（２级）")],
  };
}

const yuan = (cents) => (cents / 100).toFixed(2);
const two = (number) => String(number).padStart(2, "0");

function fee([psn_no, , , ipt_no], mdtrt_id, i) {
  const cnt = 1 + (i % 4);
  const price = 105 + 37 * i;
  return {
    feedetl_sn: `${ipt_no}-${String(i).padStart(3, "0")}`, mdtrt_id, psn_no, med_type: "21",
    fee_ocur_time: `${day} 10:${two(Math.floor(i / 60))}:${two(i % 60)}`, med_list_codg: "XA02BCA001A001010101",
    medins_list_codg: `YP${i}`, det_item_fee_sumamt: yuan(cnt * price), cnt: String(cnt), pric: yuan(price),
    bilg_dept_codg: "A01", bilg_dept_name: "普通外科", bilg_dr_codg: "D001", bilg_dr_name: "欧阳修远",
    memo: `阿莫西林胶囊（０．２５ｇ×２４粒）第${i}行`,
  };
}

const fees = (patient, mdtrt_id) => Array.from({ length: 500 }, (_, index) => fee(patient, mdtrt_id, index + 1));

function told(mdtrt_id, rows) {
  const cents = rows.reduce((sum, row) => sum + Math.round(Number(row.det_item_fee_sumamt) * 100), 0);
  return { mdtrt_id, rows: rows.length, sum: yuan(cents) };
}

function accepted(reply) {
  if (String(reply.infcode) !== "0") throw new Error(`${reply.code} ${reply.err_msg}`);
  return reply;
}

async function typed(patient) {
  const service = await client("inpatient");
  const [admitted] = await service.Txn2401Async({ head, ...admission(patient) });
  const { mdtrt_id } = accepted(admitted).output.result;
  const [answer] = await service.Txn2301Async({ head, feedetail: fees(patient, mdtrt_id) });
  return told(mdtrt_id, accepted(answer).output.result);
}

async function exchange(infno, input) {
  const service = await client("exchange");
  const [{ CallResult }] = await service.CallAsync({ infno, request: JSON.stringify({ head, input }) });
  return accepted(JSON.parse(CallResult));
}

async function inText(patient) {
  const { mdtrt_id } = (await exchange("2401", admission(patient))).output.result;
  return told(mdtrt_id, (await exchange("2301", { feedetail: fees(patient, mdtrt_id) })).output.result);
}

async function refusal(patient) {
  const request = admission(patient);
  delete request.mdtrtinfo.atddr_no;
  const [reply] = await (await client("inpatient")).Txn2401Async({ head, ...request });
  const fields = [reply.problem].flat().map((problem) => problem.field);
  return { infcode: reply.infcode, code: reply.code, retry: reply.retry, text: reply.err_msg, fields };
}

async function fault() {
  const service = await client("exchange");
  service.setSecurity(new soap.BasicAuthSecurity("demo", "wrong"));
  try {
    await service.CallAsync({ infno: "2401", request: "<request/>" });
  } catch (error) {
    const found = error.root?.Envelope.Body.Fault;
    if (!found) throw error;
    return {
      faultcode: found.faultcode ?? found.Code.Value,
      text: found.faultstring ?? found.Reason.Text.$value ?? found.Reason.Text,
      detail: JSON.stringify(found.detail ?? found.Detail),
    };
  }
  throw new Error("no fault");
}

async function story([a, b]) {
  return { typed: await typed(a), string: await inText(b), refusal: await refusal(a), faults: { password: await fault() } };
}

// an error of this library drags the whole connection along; its message is what counts
story(patients).then((told) => console.log(JSON.stringify(told)), (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
