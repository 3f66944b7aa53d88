// 入院办理（2401），类型化服务，.NET Framework 与 Mono：
//   wsdl http://127.0.0.1:8080/soap/inpatient?wsdl -namespace:Yibao -out:Inpatient.cs
//   csc（Mono 为 mcs） Admit.cs Inpatient.cs -r:System.Web.Services.dll
//   Admit.exe http://127.0.0.1:8080 人员编号 证件号码 险种类型 住院号 "2026-11-20 09:30:00"
// 成功时打印就诊ID；内容不变时再执行一次，得到同一个就诊ID，不会重复办理。
// 退出码：0 成功，2 被拒绝（内容或平台），3 SOAP Fault（信封、身份），4 没有答复（结果未知）。
using System;
using System.Net;
using System.Text;
using System.Web.Services.Protocols;
using Yibao;

public static class Admit {
    public static int Main(string[] args) {
        Console.OutputEncoding = new UTF8Encoding(false);
        var service = new Inpatient { Url = args[0] + "/soap/inpatient", Timeout = 90000 };
        var head = new Txn2401Head {
            opter = "0001", opter_name = "张三", opter_type = "1",
            // request_id 由 HIS 生成并先存库：没有答复时，以同一 request_id 原样再发，不会重复办理
            request_id = "2401-" + args[4],
        };
        var visit = new Txn2401Mdtrtinfo {
            psn_no = args[1], mdtrt_cert_type = "02", mdtrt_cert_no = args[2], insutype = args[3], ipt_no = args[4],
            begntime = args[5], med_type = "21", atddr_no = "D001", chfpdr_name = "欧阳修远", adm_diag_dscr = "急性阑尾炎",
            adm_dept_codg = "A01", adm_dept_name = "普通外科", adm_bed = "12床",
            dscg_maindiag_code = "K35.800", dscg_maindiag_name = "急性阑尾炎",
        };
        // 重复节点是数组，只有一条也是数组
        var diagnoses = new[] {
            new Txn2401Diseinfo {
                psn_no = args[1], diag_type = "1", maindiag_flag = "1", diag_srt_no = "1", diag_code = "K35.800",
                diag_name = "急性阑尾炎", diag_dept = "A01", dise_dor_no = "D001", dise_dor_name = "欧阳修远", diag_time = args[5],
            },
        };
        string refmsgid, text, warning, msgid, code, retry;
        Txn2401ResponseOutput output;
        Txn2401ResponseProblem[] problems;
        string infcode;
        try {
            infcode = service.Txn2401(head, visit, diagnoses, out refmsgid, out text, out warning, out msgid, out code,
                out retry, out output, out problems);
        } catch (SoapException fault) {
            Console.Error.WriteLine("SOAP Fault：" + fault.Message);
            return 3;
        } catch (WebException error) {
            Console.Error.WriteLine("没有答复，请以同一 request_id 原样再发：" + error.Message);
            return 4;
        }
        if (infcode != "0") {
            Console.Error.WriteLine("{0} {1}（重试：{2}）", code, text, retry);
            foreach (var problem in problems ?? new Txn2401ResponseProblem[0]) Console.Error.WriteLine("  " + problem.text);
            return 2;
        }
        Console.WriteLine(output.result.mdtrt_id);
        return 0;
    }
}
