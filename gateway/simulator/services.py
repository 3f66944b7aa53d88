"""Addresses of a platform that has a path per service (transport facts, section 12): kept here by service, as the platform has them.

Written from the facts and not from the gateway's table, so that a slip in one of the two shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_BY_SERVICE: Final[Mapping[str, str]] = {
    "fsi/api/signInSignOutService": "signIn=9001",
    "fsi/api/fileupload": "upload=9101 download=9102",
    "fsi/api/catalogqueryservice": "queryNatyPreparedByPage=1304 queryHilist=1312 queryMedinsHilistMapByPage=1316 "
    "queryMedListMapByPage=1317 queryLmtprcByPage=1318 querySelfpayByPage=1319 queryDataDic=1901",
    "fsi/api/fsiPsnInfoService": "queryPsnInfo=1101",
    "fsi/api/fsiFixMedInsService": "queryFixMedIns=1201",
    "fsi/api/fsiPsnPriorityInfoService": "queryPsnPriorityInfo=2001",
    "fsi/api/outpatientDocInfoService": "outpatientRregistration=2201 outpatientRegistrationCancel=2202 "
    "outpatientMdtrtinfoUp=2203 outpatientMdtrtinfoUpA=2203A outpatientFeeListUp=2204 outpatientFeeListUpCancel=2205",
    "fsi/api/outpatientSettleService": "preSettletment=2206 preSettletmentA=2206A saveSettletmentV2=2207 "
    "saveSettletment=2207A cancleSettletment=2208",
    "fsi/api/hospFeeDtlService": "feeDtlUp=2301 feeDtlCl=2302",
    "fsi/api/hospSettService": "preSett=2303 settV2=2304 settCl=2305",
    "fsi/api/hospitalRegisterService": "hospitalRegisterSave=2401 hospitalRegisterEdit=2403 hospitalRegisterCancel=2404",
    "fsi/api/dscgService": "dischargeProcess=2402 dischargeUndo=2405",
    "fsi/api/reverseService": "revsMethod=2601",
    "fsi/api/riskConService": "beforeAnalyze=3101 courseAnalyze=3102",
    "fsi/api/ybSettlementStmtService": "stmtTotal=3201 stmtDetail=3202",
    "api/fsiextend/medinsmonsettlement": "medinsDaySetlReconciliation=3211 qMedinsDaySetlResult=3212",
    "fsi/api/catalogCompService": "catalogCompUp=3301",
    "fsi/api/department": "saveDepartmentManageInfo=3401 saveDepartmentManageBatch=3401A modifyDepartmentInfo=3402 "
    "pauseDepartmentInfo=3403",
    "fsi/api/goodsService": "goodsUpload=3501 goodsUpdate=3502 goodsBuy=3503 goodsBuyReturn=3504 goodsSell=3505 "
    "goodsSellReturn=3506 goodsInfoDelete=3507",
    "fsi/api/medinfoupload": "setllistinfoupld=4101 setllistinfoupldA=4101A queryQltctrlProblemPage=4104",
    "fsi/api/fsiIntegratedQueryService": "queryFixmedinsDept=5101 queryFixmedinsPracPsn=5102 querySetlInfo=5203 "
    "queryFeeList=5204 queryFixmedinsPracPsnSum=5206 queryPsnOpspReg=5301 queryInhospInfo=5303",
}
_CATALOG_FILES: Final = (*range(1301, 1304), *range(1305, 1312), *range(1313, 1316))


def _addresses() -> Iterator[tuple[str, str]]:
    for service, methods in _BY_SERVICE.items():
        for told in methods.split():
            method, _, infno = told.partition("=")
            yield f"{service}/{method}", infno
    for number in _CATALOG_FILES:
        yield f"fsi/api/catalogdownservice/downCatalog{number}", str(number)


SERVICES: Final[Mapping[str, str]] = dict(_addresses())
"""Path, without what stands before it, -> transaction."""
_PARTS: Final = 4


def infno_of(path: str) -> str | None:
    """The transaction of the service that an address ends in; None when it names no service.

    Args:
        path: of the request, without a query.
    """
    return SERVICES.get("/".join(path.split("/")[-_PARTS:]))
