// The story of README.md told by a C# program on the proxies that Mono's (or .NET Framework's) wsdl tool makes from the WSDL:
// Client.exe BASE SOAP DAY  A(psn certno insutype ipt)  B(...)
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Net;
using System.Text;
using System.Web.Services;
using System.Web.Services.Protocols;
using System.Xml;
using System.Xml.Linq;

/// A call with a password from the start, as HIS programs do it: .NET waits for a 401 otherwise.
public class WithPassword : Yibao.Exchange.EXCHANGE_PROXY {
    protected override WebRequest GetWebRequest(Uri uri) {
        var request = base.GetWebRequest(uri);
        request.Headers["Authorization"] = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("demo:wrong"));
        return request;
    }
}

/// An operation that no WSDL of the gateway has.
[WebServiceBinding(Name = "Unknown", Namespace = "urn:yibao:gateway:v1")]
public class Unknown : SoapHttpClientProtocol {
    [SoapDocumentMethod("urn:yibao:gateway:v1/Txn0000", RequestNamespace = "urn:yibao:gateway:v1", ResponseNamespace = "urn:yibao:gateway:v1")]
    public string Txn0000() { return (string)Invoke("Txn0000", new object[0])[0]; }
}

public class Patient {
    public string PsnNo, Certno, Insutype, IptNo;
    public Patient(string[] args, int at) { PsnNo = args[at]; Certno = args[at + 1]; Insutype = args[at + 2]; IptNo = args[at + 3]; }
}

public static class Client {
    static string url, day;
    static SoapProtocolVersion version;

    static T Proxy<T>(string service) where T : SoapHttpClientProtocol, new() {
        return new T { Url = url + "/soap/" + service, SoapVersion = version, Timeout = 60000 };
    }

    static string Yuan(decimal value) { return value.ToString("0.00", CultureInfo.InvariantCulture); }

    static Dictionary<string, string> Admission(Patient p) {
        return new Dictionary<string, string> {
            {"psn_no", p.PsnNo}, {"insutype", p.Insutype}, {"coner_name", "李四"}, {"tel", "13800000000"},
            {"begntime", day + " 09:30:00"}, {"mdtrt_cert_type", "02"}, {"mdtrt_cert_no", p.Certno}, {"med_type", "21"},
            {"ipt_no", p.IptNo}, {"atddr_no", "D001"}, {"chfpdr_name", "欧阳修远"}, {"adm_diag_dscr", "急性阑尾炎"},
            {"adm_dept_codg", "A01"}, {"adm_dept_name", "普通外科"}, {"adm_bed", "12床"},
            {"dscg_maindiag_code", "K35.800"}, {"dscg_maindiag_name", "急性阑尾炎"},
        };
    }

    static Dictionary<string, string> Diagnosis(Patient p, int number, string code, string name) {
        return new Dictionary<string, string> {
            {"psn_no", p.PsnNo}, {"diag_type", "1"}, {"maindiag_flag", number == 1 ? "1" : "0"}, {"diag_srt_no", number.ToString()},
            {"diag_code", code}, {"diag_name", name}, {"diag_dept", "A01"}, {"dise_dor_no", "D001"},
            {"dise_dor_name", "欧阳修远"}, {"diag_time", day + " 09:40:00"},
        };
    }

    static Dictionary<string, string>[] Diagnoses(Patient p) {
        return new[] { Diagnosis(p, 1, "K35.800", "急性阑尾炎"), Diagnosis(p, 2, "I10.x00", "高血压病（２级）") };
    }

    static Dictionary<string, string> Fee(Patient p, string mdtrtId, int i) {
        decimal count = 1 + i % 4, price = (105 + 37 * i) / 100m;
        return new Dictionary<string, string> {
            {"feedetl_sn", p.IptNo + "-" + i.ToString("000")}, {"mdtrt_id", mdtrtId}, {"psn_no", p.PsnNo}, {"med_type", "21"},
            {"fee_ocur_time", string.Format("{0} 10:{1:00}:{2:00}", day, i / 60, i % 60)},
            {"med_list_codg", "XA02BCA001A001010101"}, {"medins_list_codg", "YP" + i},
            {"det_item_fee_sumamt", Yuan(count * price)}, {"cnt", count.ToString("0")}, {"pric", Yuan(price)},
            {"bilg_dept_codg", "A01"}, {"bilg_dept_name", "普通外科"}, {"bilg_dr_codg", "D001"}, {"bilg_dr_name", "欧阳修远"},
            {"memo", "阿莫西林胶囊（０．２５ｇ×２４粒）第" + i + "行"},
        };
    }

    static Dictionary<string, string>[] Fees(Patient p, string mdtrtId) {
        return Enumerable.Range(1, 500).Select(i => Fee(p, mdtrtId, i)).ToArray();
    }

    /// The generated class with the properties of these names set.
    static T Node<T>(Dictionary<string, string> values) where T : new() {
        var node = new T();
        foreach (var value in values) typeof(T).GetProperty(value.Key).SetValue(node, value.Value, null);
        return node;
    }

    static T Head<T>() where T : new() {
        return Node<T>(new Dictionary<string, string> { {"opter", "0001"}, {"opter_name", "张三"}, {"opter_type", "1"} });
    }

    static string Told(string mdtrtId, IEnumerable<string> amounts) {
        var all = amounts.Select(amount => decimal.Parse(amount, CultureInfo.InvariantCulture)).ToArray();
        return string.Format("{{\"mdtrt_id\":{0},\"rows\":{1},\"sum\":{2}}}", Json(mdtrtId), all.Length, Json(Yuan(all.Sum())));
    }

    static void Accepted(string infcode, string code, string text) {
        if (infcode != "0") throw new Exception(code + " " + text);
    }

    static string Typed(Patient p) {
        string refmsgid, text, warning, msgid, code, retry;
        Yibao.Inpatient.Txn2401ResponseOutput stay;
        Yibao.Inpatient.Txn2401ResponseProblem[] problems;
        var service = Proxy<Yibao.Inpatient.INPATIENT_PROXY>("inpatient");
        var infcode = service.Txn2401(Head<Yibao.Inpatient.Txn2401Head>(), Node<Yibao.Inpatient.Txn2401Mdtrtinfo>(Admission(p)),
            Diagnoses(p).Select(Node<Yibao.Inpatient.Txn2401Diseinfo>).ToArray(),
            out refmsgid, out text, out warning, out msgid, out code, out retry, out stay, out problems);
        Accepted(infcode, code, text);
        Yibao.Inpatient.Txn2301ResponseResult[] rows;
        Yibao.Inpatient.Txn2301ResponseProblem[] rowProblems;
        infcode = service.Txn2301(Head<Yibao.Inpatient.Txn2301Head>(),
            Fees(p, stay.result.mdtrt_id).Select(Node<Yibao.Inpatient.Txn2301Feedetail>).ToArray(),
            out refmsgid, out text, out warning, out msgid, out code, out retry, out rows, out rowProblems);
        Accepted(infcode, code, text);
        return Told(stay.result.mdtrt_id, rows.Select(row => row.det_item_fee_sumamt));
    }

    static XElement Element(string name, Dictionary<string, string> values) {
        return new XElement(name, values.Select(value => new XElement(value.Key, value.Value)));
    }

    static XElement Exchange(string infno, params object[] nodes) {
        var head = new XElement("head", new XElement("opter", "0001"), new XElement("opter_name", "张三"), new XElement("opter_type", "1"));
        var request = new XElement("request", head, new XElement("input", nodes));
        var answer = XElement.Parse(Proxy<Yibao.Exchange.EXCHANGE_PROXY>("exchange").Call(infno, request.ToString()));
        Accepted(answer.Element("infcode").Value, answer.Element("code").Value, answer.Element("err_msg").Value);
        return answer;
    }

    static string InText(Patient p) {
        var stay = Exchange("2401", Element("mdtrtinfo", Admission(p)), Diagnoses(p).Select(d => Element("diseinfo", d)))
            .Element("output").Element("result").Element("mdtrt_id").Value;
        var rows = Exchange("2301", Fees(p, stay).Select(fee => Element("feedetail", fee))).Element("output").Elements("result");
        return Told(stay, rows.Select(row => row.Element("det_item_fee_sumamt").Value));
    }

    static string Refusal(Patient p) {
        string refmsgid, text, warning, msgid, code, retry;
        Yibao.Inpatient.Txn2401ResponseOutput output;
        Yibao.Inpatient.Txn2401ResponseProblem[] problems;
        var admission = Admission(p);
        admission.Remove("atddr_no");
        var infcode = Proxy<Yibao.Inpatient.INPATIENT_PROXY>("inpatient").Txn2401(Head<Yibao.Inpatient.Txn2401Head>(),
            Node<Yibao.Inpatient.Txn2401Mdtrtinfo>(admission), Diagnoses(p).Select(Node<Yibao.Inpatient.Txn2401Diseinfo>).ToArray(),
            out refmsgid, out text, out warning, out msgid, out code, out retry, out output, out problems);
        return string.Format("{{\"infcode\":{0},\"code\":{1},\"retry\":{2},\"text\":{3},\"fields\":[{4}]}}", Json(infcode), Json(code),
            Json(retry), Json(text), string.Join(",", problems.Select(problem => Json(problem.field))));
    }

    static string Fault(Action call) {
        try { call(); }
        catch (SoapException fault) {
            var detail = fault.Detail == null ? "" : fault.Detail.OuterXml;
            return string.Format("{{\"faultcode\":{0},\"text\":{1},\"detail\":{2}}}", Json(fault.Code.Name), Json(fault.Message), Json(detail));
        }
        throw new Exception("no fault");
    }

    static string Json(string text) {
        var json = new StringBuilder("\"");
        foreach (var c in text ?? "") json.Append(c < ' ' || c == '"' || c == '\\' ? string.Format("\\u{0:x4}", (int)c) : c.ToString());
        return json.Append('"').ToString();
    }

    public static void Main(string[] args) {
        Console.OutputEncoding = new UTF8Encoding(false);
        url = args[0];
        version = args[1] == "1.2" ? SoapProtocolVersion.Soap12 : SoapProtocolVersion.Soap11;
        day = args[2];
        var a = new Patient(args, 3);
        var b = new Patient(args, 7);
        Console.WriteLine("{{\"typed\":{0},\"string\":{1},\"refusal\":{2},\"faults\":{{\"password\":{3},\"operation\":{4}}}}}",
            Typed(a), InText(b), Refusal(a),
            Fault(() => Proxy<WithPassword>("exchange").Call("2401", "<request/>")), Fault(() => Proxy<Unknown>("inpatient").Txn0000()));
    }
}
