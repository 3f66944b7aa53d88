"""入院办理（2401），类型化服务，zeep：

    python admit.py http://127.0.0.1:8080 人员编号 证件号码 险种类型 住院号 '2026-11-20 09:30:00'

成功时打印就诊ID；内容不变时再执行一次，得到同一个就诊ID，不会重复办理。退出码：0 成功，2 被拒绝（内容或平台），3 SOAP Fault（信封、身份），4 没有答复（结果未知）。
"""

import sys

import requests
import zeep
from zeep.transports import Transport


def admission(psn_no: str, certno: str, insutype: str, ipt_no: str, begntime: str) -> dict[str, object]:
    return {
        "mdtrtinfo": {
            "psn_no": psn_no,
            "insutype": insutype,
            "begntime": begntime,
            "mdtrt_cert_type": "02",
            "mdtrt_cert_no": certno,
            "med_type": "21",
            "ipt_no": ipt_no,
            "atddr_no": "D001",
            "chfpdr_name": "欧阳修远",
            "adm_diag_dscr": "急性阑尾炎",
            "adm_dept_codg": "A01",
            "adm_dept_name": "普通外科",
            "adm_bed": "12床",
            "dscg_maindiag_code": "K35.800",
            "dscg_maindiag_name": "急性阑尾炎",
        },
        # 重复节点用列表，只有一条也用列表
        "diseinfo": [
            {
                "psn_no": psn_no,
                "diag_type": "1",
                "maindiag_flag": "1",
                "diag_srt_no": "1",
                "diag_code": "K35.800",
                "diag_name": "急性阑尾炎",
                "diag_dept": "A01",
                "dise_dor_no": "D001",
                "dise_dor_name": "欧阳修远",
                "diag_time": begntime,
            }
        ],
    }


def main(base: str, *patient: str) -> int:
    # zeep 缺省不限时；读超时要长于网关等待平台的时间
    transport = Transport(timeout=10, operation_timeout=90)
    service = zeep.Client(f"{base}/soap/inpatient?wsdl", transport=transport).service
    # request_id 由 HIS 生成并先存库：没有答复时，以同一 request_id 原样再发，不会重复办理
    head = {"opter": "0001", "opter_name": "张三", "opter_type": "1", "request_id": f"2401-{patient[3]}"}
    try:
        reply = service.Txn2401(head=head, **admission(*patient))
    except zeep.exceptions.Fault as fault:
        print(f"SOAP Fault：{fault.message}", file=sys.stderr)
        return 3
    except requests.RequestException as error:
        print(f"没有答复，请以同一 request_id 原样再发：{error}", file=sys.stderr)
        return 4
    if reply.infcode != "0":
        print(f"{reply.code} {reply.err_msg}（重试：{reply.retry}）", file=sys.stderr)
        for problem in reply.problem:
            print(f"  {problem.text}", file=sys.stderr)
        return 2
    print(reply.output.result.mdtrt_id)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
