// 入院办理（2401），文本服务，Delphi 2009 以上，Indy 10。
// 也可以用 WSDL Importer 导入 http://127.0.0.1:8080/soap/inpatient?wsdl（document/literal wrapped）；
// Delphi 7 的字符串不是 Unicode：改用 TMemoryStream 写 GBK 字节，声明与 Content-Type 都写 GBK，网关以 GBK 答复。
unit Admit;

interface

type
  TAdmitOutcome = (aoAccepted, aoRefused, aoFault, aoUnknown);

// Begntime 形如 2026-11-20 09:30:00。返回结果；aoAccepted 时 MdtrtId 为就诊ID，其余情况 Text 为给操作员看的话
function AdmitPatient(const BaseUrl, PsnNo, Certno, Insutype, IptNo, Begntime, RequestId: string;
  out MdtrtId, Text: string): TAdmitOutcome;

implementation

uses
  SysUtils, Classes, Variants, ComObj, IdHTTP;

function Escape(const S: string): string;
begin
  Result := StringReplace(S, '&', '&amp;', [rfReplaceAll]);
  Result := StringReplace(Result, '<', '&lt;', [rfReplaceAll]);
  Result := StringReplace(Result, '>', '&gt;', [rfReplaceAll]);
end;

function Xml(const Name, Value: string): string;
begin
  Result := '<' + Name + '>' + Escape(Value) + '</' + Name + '>';
end;

function RequestText(const PsnNo, Certno, Insutype, IptNo, Begntime, RequestId: string): string;
var
  Head, Visit, Diagnosis: string;
begin
  // request_id 由 HIS 生成并先存库：没有答复时，以同一 request_id 原样再发，不会重复办理
  Head := Xml('opter', '0001') + Xml('opter_name', '张三') + Xml('opter_type', '1') + Xml('request_id', RequestId);
  Visit := Xml('psn_no', PsnNo) + Xml('insutype', Insutype) + Xml('begntime', Begntime) + Xml('mdtrt_cert_type', '02') +
    Xml('mdtrt_cert_no', Certno) + Xml('med_type', '21') + Xml('ipt_no', IptNo) + Xml('atddr_no', 'D001') +
    Xml('chfpdr_name', '欧阳修远') + Xml('adm_diag_dscr', '急性阑尾炎') + Xml('adm_dept_codg', 'A01') +
    Xml('adm_dept_name', '普通外科') + Xml('adm_bed', '12床') + Xml('dscg_maindiag_code', 'K35.800') +
    Xml('dscg_maindiag_name', '急性阑尾炎');
  // 重复节点就是重复的元素
  Diagnosis := Xml('psn_no', PsnNo) + Xml('diag_type', '1') + Xml('maindiag_flag', '1') + Xml('diag_srt_no', '1') +
    Xml('diag_code', 'K35.800') + Xml('diag_name', '急性阑尾炎') + Xml('diag_dept', 'A01') + Xml('dise_dor_no', 'D001') +
    Xml('dise_dor_name', '欧阳修远') + Xml('diag_time', Begntime);
  Result := '<request><head>' + Head + '</head><input><mdtrtinfo>' + Visit + '</mdtrtinfo><diseinfo>' + Diagnosis +
    '</diseinfo></input></request>';
end;

function Envelope(const Infno, Request: string): string;
begin
  // 外层再转义一次：request 是一个字符串参数
  Result := '<?xml version="1.0" encoding="UTF-8"?>' +
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>' +
    '<Call xmlns="urn:yibao:gateway:v1">' + Xml('infno', Infno) + Xml('request', Request) + '</Call>' +
    '</soap:Body></soap:Envelope>';
end;

function NodeText(const Document: OleVariant; const Name: string): string;
var
  Node: OleVariant;
begin
  Node := Document.selectSingleNode('//*[local-name()="' + Name + '"]');
  if VarIsClear(Node) or (IDispatch(Node) = nil) then Result := '' else Result := Node.text;
end;

function Parsed(const S: string): OleVariant;
begin
  Result := CreateOleObject('MSXML2.DOMDocument.6.0');
  Result.async := False;
  if not Result.loadXML(S) then raise Exception.Create('应答不是 XML：' + Result.parseError.reason);
end;

function Post(const Url, Body: string): string;
var
  Http: TIdHTTP;
  Source: TStringStream;
begin
  Http := TIdHTTP.Create(nil);
  Source := TStringStream.Create(Body, TEncoding.UTF8);
  try
    Http.ConnectTimeout := 10000;
    Http.ReadTimeout := 90000;  // 长于网关等待平台的时间
    Http.Request.ContentType := 'text/xml; charset=utf-8';
    Http.Request.CustomHeaders.Values['SOAPAction'] := '"urn:yibao:gateway:v1/Call"';
    // SOAP Fault 的 HTTP 状态是 500：要它的正文，不要异常
    Http.HTTPOptions := Http.HTTPOptions + [hoNoProtocolErrorException, hoWantProtocolErrorContent];
    Result := Http.Post(Url, Source);
  finally
    Source.Free;
    Http.Free;
  end;
end;

function AdmitPatient(const BaseUrl, PsnNo, Certno, Insutype, IptNo, Begntime, RequestId: string;
  out MdtrtId, Text: string): TAdmitOutcome;
var
  Answer, Response: OleVariant;
begin
  MdtrtId := '';
  try
    Answer := Parsed(Post(BaseUrl + '/soap/exchange', Envelope('2401', RequestText(PsnNo, Certno, Insutype, IptNo, Begntime, RequestId))));
  except
    on E: Exception do
    begin
      Text := '没有答复，请以同一 request_id 原样再发：' + E.Message;
      Exit(aoUnknown);
    end;
  end;
  Text := NodeText(Answer, 'faultstring');
  if Text <> '' then Exit(aoFault);
  Response := Parsed(NodeText(Answer, 'CallResult'));
  if NodeText(Response, 'infcode') <> '0' then
  begin
    Text := NodeText(Response, 'code') + ' ' + NodeText(Response, 'err_msg') + '（重试：' + NodeText(Response, 'retry') + '）';
    Exit(aoRefused);
  end;
  MdtrtId := NodeText(Response, 'mdtrt_id');
  Result := aoAccepted;
end;

end.
